"""Generates from `services.toml` what deployment says about the services: `make generate`."""
