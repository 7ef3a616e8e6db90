"""The scrape targets of Prometheus."""

from collections.abc import Sequence

from chassis.topology import Topology
from deploy.generate.engine import Block, Output


def outputs(topology: Topology) -> Sequence[Output]:
    """Return the targets in the Compose project: every subgraph serves metrics."""
    text = f"- job_name: {topology.project.name}\n  static_configs:\n"
    for service in topology.subgraphs:
        text += f'  - targets: ["{service.name}:{service.port}"]\n'
        text += f"    labels: {{service: {service.name}}}\n"
    return [Block("deploy/observability/prometheus.yml", "targets", text)]
