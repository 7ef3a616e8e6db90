"""Reads docker-compose.yml and the rendered overlays, and evaluates network policies."""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import yaml

from chassis.topology import declared
from deploy.validate import render
from stack.process import ROOT

Object = dict[str, Any]

NAMESPACE = declared().project.name
_WITH_PODS = {"Deployment", "StatefulSet", "Job", "CronJob"}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast


def documents(overlay: str) -> list[Object]:
    """Return the documents of an overlay of this repository."""
    return rendered(ROOT, overlay)


@cache
def rendered(root: Path, overlay: str) -> list[Object]:
    """Return the documents of an overlay of the repository in `root`."""
    return [document for document in yaml.load_all(render(root, overlay), _LOADER) if document]


def of_kind(found: list[Object], *kinds: str) -> Iterator[Object]:
    return (document for document in found if document["kind"] in kinds)


def pod_template(document: Object) -> Object:
    specification = document["spec"]
    if document["kind"] == "CronJob":
        specification = specification["jobTemplate"]["spec"]
    template: Object = specification["template"]
    return template


def pods(found: list[Object]) -> dict[str, Object]:
    """Return the pod template of each object that creates pods, by its name."""
    return {d["metadata"]["name"]: pod_template(d) for d in of_kind(found, *_WITH_PODS)}


def environment(found: list[Object], container: Object) -> dict[str, str]:
    """Return a container's variables, without those of Secrets outside the overlay."""
    named = {(d["kind"], d["metadata"]["name"]): d for d in of_kind(found, "ConfigMap", "Secret")}
    variables: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            variables |= named["ConfigMap", source["configMapRef"]["name"]]["data"]
        elif ("Secret", source["secretRef"]["name"]) in named:
            data = named["Secret", source["secretRef"]["name"]]["data"]
            variables |= {key: base64.b64decode(value).decode() for key, value in data.items()}
    return variables | {entry["name"]: entry["value"] for entry in container.get("env", [])}


# -- Compose ---------------------------------------------------------------------------------------

# A default may hold another variable: ${PUBLIC_URL:-http://localhost:${EDGE_PORT:-4000}}.
_VARIABLE = re.compile(
    r"(?<!\$)\$\{(?P<name>\w+)(?::(?P<rule>[-?])(?P<text>(?:\$\{[^}]*\}|[^}])*))?\}"
)


class VariableMissingError(Exception):
    """Compose refuses to start, with this message."""


def compose(variables: Mapping[str, str]) -> Object:
    """Return docker-compose.yml with its variables, as `docker compose config` prints it.

    Raises VariableMissingError.
    """

    def value(match: re.Match[str]) -> str:
        given = variables.get(match["name"], "")
        if not given and match["rule"] == "?":
            raise VariableMissingError(match["name"], match["text"])
        return given or (_VARIABLE.sub(value, match["text"]) if match["rule"] == "-" else "")

    def filled(node: Any) -> Any:
        if isinstance(node, str):
            return _VARIABLE.sub(value, node)
        if isinstance(node, list):
            return [filled(part) for part in node]
        if isinstance(node, dict):
            return {key: filled(part) for key, part in node.items()}
        return node

    document: Object = filled(_compose_file())
    return document


@cache
def _compose_file() -> Object:
    document: Object = yaml.load(Path(ROOT, "docker-compose.yml").read_text(), _LOADER)
    return document


# -- network policies ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Peer:
    """A pod, or a host outside the cluster, as network policies see it."""

    name: str
    address: str
    namespace: str = ""  # empty outside the cluster
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)


def peers(found: list[Object]) -> list[Peer]:
    """Return the pods as network policies see them, each once."""
    return [
        Peer(
            document["metadata"]["name"],
            f"10.244.0.{number}",
            document["metadata"]["namespace"],
            template["metadata"]["labels"],
            {
                port["name"]: port["containerPort"]
                for container in template["spec"]["containers"]
                for port in container.get("ports", [])
            },
        )
        for number, document in enumerate(of_kind(found, *_WITH_PODS), start=10)
        for template in [pod_template(document)]
    ]


def reaches(policies: list[Object], source: Peer, target: Peer, port: int) -> bool:
    """Return whether the policies allow a TCP connection, at its source and at its target."""
    return _allows(policies, "Egress", source, target, target, port) and _allows(
        policies, "Ingress", target, source, target, port
    )


def _allows(
    policies: list[Object], direction: str, subject: Peer, other: Peer, target: Peer, port: int
) -> bool:
    rules, others = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    namespace = subject.namespace
    applying = [
        policy["spec"]
        for policy in policies
        if namespace == policy["metadata"]["namespace"]
        and direction in policy["spec"]["policyTypes"]
        and _selects(policy["spec"]["podSelector"], subject.labels)
    ]
    return not applying or any(
        _matches_port(rule, target, port)
        and (others not in rule or any(_is(peer, other, namespace) for peer in rule[others]))
        for specification in applying
        for rule in specification.get(rules, [])
    )


def _matches_port(rule: Object, target: Peer, port: int) -> bool:
    if "ports" not in rule:
        return True
    wanted = [entry["port"] for entry in rule["ports"] if entry.get("protocol", "TCP") == "TCP"]
    return port in {target.ports.get(p) if isinstance(p, str) else p for p in wanted}


def _is(description: Object, peer: Peer, namespace: str) -> bool:
    """Return whether a peer matches an entry of a rule of a policy in this namespace."""
    if "ipBlock" in description:
        block, address = description["ipBlock"], ip_address(peer.address)
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(excepted) for excepted in block.get("except", [])
        )
    if "namespaceSelector" in description:
        if not _selects(
            description["namespaceSelector"], {"kubernetes.io/metadata.name": peer.namespace}
        ):
            return False
    elif peer.namespace != namespace:
        return False
    return _selects(description.get("podSelector", {}), peer.labels)


def _selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Return whether labels match a selector. Raises KeyError for an unknown operator."""
    wanted = selector.get("matchLabels", {})
    operators = {"In": lambda value, values: value in values}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        operators[entry["operator"]](labels.get(entry["key"]), entry["values"])
        for entry in selector.get("matchExpressions", [])
    )
