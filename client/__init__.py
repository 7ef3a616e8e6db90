"""A client of the public API, for the demo, the prober, the tests and the measurements."""
