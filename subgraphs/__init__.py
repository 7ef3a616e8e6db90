"""Chirp's subgraphs: each owns its schema, its database and its process."""
