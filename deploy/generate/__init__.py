"""Generates the deployment files and blocks that follow from `services.toml`: `make generate`."""
