"""Prometheus's rules and Grafana's dashboards."""
