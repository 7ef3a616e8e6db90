"""Writes the reference pages in docs/reference/ from the code: `make reference`."""
