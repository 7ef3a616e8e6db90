"""Images, Compose, Kubernetes and observability: how the whole system is deployed."""
