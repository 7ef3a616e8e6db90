"""Builds the documentation as a site, which needs no network to be read: `make docs`."""
