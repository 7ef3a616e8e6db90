"""What watches the system: Prometheus's rules and Grafana's dashboards."""
