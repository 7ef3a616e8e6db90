"""A Strawberry subgraph as we serve it: federated schema, limits, masked errors, HTTP view."""
