"""The subgraphs in the configuration of the composition and of the router."""

from collections.abc import Sequence

from chassis.topology import Service, Topology
from deploy.generate.engine import Block, Output

ROUTER_PORT = 4100
"""The router's port in containers: in docker-compose.yml and deploy/kubernetes/base/router.yaml."""


def address_setting(subgraph: Service) -> str:
    """Return the name of the router's setting for the address of a subgraph: `AUTH_URL`."""
    return f"{subgraph.prefix}URL"


def outputs(topology: Topology) -> Sequence[Output]:
    """Return the subgraphs of `supergraph.yaml` and the router's addresses."""
    subgraphs = "subgraphs:\n"
    addresses = "override_subgraph_url:\n"
    for subgraph in topology.subgraphs:
        subgraphs += (
            f"  {subgraph.name}:\n"
            f"    routing_url: http://127.0.0.1:{subgraph.port}/graphql\n"
            f"    schema:\n"
            f"      file: {subgraph.folder}/schema.graphql\n"
        )
        addresses += f'  {subgraph.name}: "${{env.{address_setting(subgraph)}}}"\n'
    return [
        Block("supergraph.yaml", "subgraphs", subgraphs),
        Block("router/router.yaml", "addresses", addresses),
    ]
