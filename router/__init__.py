"""What stands before the subgraphs: the edge, the router and the supergraph that it serves."""
