"""Runs the whole system on one machine: no root, no container."""
