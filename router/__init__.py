"""The edge and the router in front of the subgraphs, and the supergraph."""
