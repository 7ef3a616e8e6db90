"""A Strawberry subgraph as Chirp serves it: federated schema, limits, masked errors, HTTP view."""
