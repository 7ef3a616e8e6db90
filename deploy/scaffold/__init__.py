"""Writes a new subgraph that works at once: `make subgraph NAME=likes`."""
