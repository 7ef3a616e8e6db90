"""The page at the root path: GraphiQL on the whole supergraph, served as files."""
