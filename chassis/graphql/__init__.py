"""A Strawberry subgraph: federated schema, limits, masked errors, HTTP view, subscriptions."""
