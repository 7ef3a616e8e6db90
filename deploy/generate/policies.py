"""The network policies between edge, router and services.

The edge connects to every service: it routes to them and checks their readiness. The router
connects to every subgraph. A service connects to the gRPC port of the services that it calls, and
to the HTTP port of those whose events it consumes, to fetch snapshots. A service with subscriptions
connects to the router, which completes events with the fields of other subgraphs.
"""

from collections.abc import Sequence

from chassis.topology import Service, Topology
from deploy.generate.engine import File, Output
from deploy.generate.kubernetes import FOLDER, filled
from deploy.generate.router import ROUTER_PORT

Arrow = tuple[str, str, int]
"""The client, the server and the server's port."""


def arrows(topology: Topology) -> list[Arrow]:
    """Return every connection between the edge, the router and the services."""
    services = topology.services.values()
    return [
        *(("edge", service.name, service.port) for service in services),
        *(("router", subgraph.name, subgraph.port) for subgraph in topology.subgraphs),
        *(arrow for service in services for arrow in _own(topology, service)),
    ]


def _own(topology: Topology, service: Service) -> list[Arrow]:
    owners = [topology[name] for name in service.consumes]
    called = [topology[name] for name in service.calls]
    return [
        *([(service.name, "router", ROUTER_PORT)] if service.subscriptions else []),
        *((service.name, owner.name, owner.port) for owner in owners),
        *((service.name, other.name, other.grpc_port) for other in called if other.grpc_port),
    ]


def outputs(topology: Topology) -> Sequence[Output]:
    """Return the file with the policies of the services and those of edge and router to them."""
    every = arrows(topology)
    policies = [
        _policy("edge-to-services", "edge", [], [a for a in every if a[0] == "edge"]),
        _policy(
            "router-and-services",
            "router",
            [a for a in every if a[1] == "router"],
            [a for a in every if a[0] == "router"],
        ),
    ]
    for name in topology.services:
        incoming = [arrow for arrow in every if arrow[1] == name]
        outgoing = [arrow for arrow in every if arrow[0] == name]
        policies.append(_policy(name, name, incoming, outgoing))
    return [File(f"{FOLDER}/network-policies.yaml", "---\n".join(policies))]


def _policy(policy: str, name: str, incoming: list[Arrow], outgoing: list[Arrow]) -> str:
    types = [kind for kind, has in (("Ingress", incoming), ("Egress", outgoing)) if has]
    text = filled("policy", {"policy": policy, "name": name, "types": ", ".join(types)})
    if incoming:
        text += "  ingress:\n"
        for port in dict.fromkeys(port for _, _, port in incoming):
            sources = [_pods(source) for source, _, at in incoming if at == port]
            text += "  - from:\n" + "".join(f"    - {source}\n" for source in sources)
            text += f"    ports: [{{port: {port}}}]\n"
    if outgoing:
        text += "  egress:\n"
        for _, target, port in outgoing:
            text += f"  - {{to: [{{{_pods(target)}}}], ports: [{{port: {port}}}]}}\n"
    return text


def _pods(name: str) -> str:
    return f"podSelector: {{matchLabels: {{app.kubernetes.io/name: {name}}}}}"
