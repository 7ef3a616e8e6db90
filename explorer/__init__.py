"""The page at the front door: GraphiQL on the whole supergraph, served as files."""
