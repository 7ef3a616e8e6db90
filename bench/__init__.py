"""Benchmarks that run on any machine: `make bench`, `python -m bench.<name>`."""
