"""Tries every connection between the pods of a cluster: `python -m deploy.try_policies`.

Uses the cluster that kubectl points at. Each attempt is made from inside a pod: from an ephemeral
container in each running pod, and from a pod with the labels of each migration and scheduled
command. Pods outside the namespace try as well, and one inside that no policy names. The open
connections must be those of the architecture; each difference is printed, and fails.

A cluster whose network plugin enforces no policies fails. Connections of a pod to its own node are
always allowed, and not tried: the API server may be there. The ephemeral containers have ended, but
Kubernetes lists them until their pods are replaced.
"""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from chassis.topology import Topology, declared
from deploy.generate.kubernetes import (
    SENDS_MAIL,
    SENDS_TRACES,
    SERVES_METRICS,
    USES_DATABASE,
    USES_REDIS,
)
from deploy.generate.policies import Arrow, arrows

NAME = "app.kubernetes.io/name"
_OBSERVABILITY, _COLLECTOR = "observability", "otel-collector"
_MARK = "try-policies"
_WAIT = 90.0  # seconds for a container to start, try and end

_INSIDE = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def is_open(address):
    try:
        socket.create_connection(tuple(address), 3).close()
    except OSError:
        return False
    return True
addresses = json.loads(sys.argv[1])
with ThreadPoolExecutor(64) as pool:
    print(json.dumps(list(pool.map(is_open, addresses))))
"""


class ClusterError(Exception):
    """The cluster cannot be tried; the message says why."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as a source or a target of connections."""

    name: str
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Collection[int] = ()
    address: str = ""
    pod: str = ""
    """The name of the running pod; empty for one that has to be created."""


# -- the architecture ------------------------------------------------------------------------------


def expected(topology: Topology, sources: Iterable[Pod], targets: Collection[Pod]) -> set[Arrow]:
    """Return the connections that the architecture allows, as docs/services.md lists them."""
    allowed = {("edge", "router", 4100), ("prober", "edge", 4000), *arrows(topology)}
    servers = {
        USES_DATABASE: ("postgres", 5432),
        USES_REDIS: ("redis", 6379),
        SENDS_MAIL: ("mailpit", 1025),
        SENDS_TRACES: (_COLLECTOR, 4318),
    }
    http = {"router": 4100, "prober": 4190, **{s.name: s.port for s in topology.subgraphs}}
    metrics = {(t.name, http[t.name]) for t in targets if t.labels.get(SERVES_METRICS)}
    for source in sources:
        if source.namespace != topology.project.name:
            allowed.add((source.name, "edge", 4000))
            if source.namespace == _OBSERVABILITY and source.labels.get(NAME) == "prometheus":
                allowed |= {(source.name, *target) for target in metrics}
        else:
            allowed.add((source.name, "dns", 53))
            allowed |= {
                (source.name, *server)
                for label, server in servers.items()
                if source.labels.get(label) == "true"
            }
    tried = {(target.name, port) for target in targets for port in target.ports}
    names = {source.name for source in sources}
    return {a for a in allowed if a[0] in names and a[1:] in tried}


# -- the cluster -----------------------------------------------------------------------------------


def kubectl(*arguments: str, text: str | None = None) -> str:
    """Run kubectl and return what it prints. Raises ClusterError when it fails."""
    done = subprocess.run(
        ["kubectl", *arguments],  # noqa: S607
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ClusterError(f"kubectl {' '.join(arguments[:4])}: {done.stderr.strip()}")
    return done.stdout


def items(kind: str, namespace: str, *options: str) -> list[Any]:
    found = kubectl("get", kind, "--namespace", namespace, "--output", "json", *options)
    return list(json.loads(found)["items"])


def running(namespace: str) -> list[Pod]:
    """Return the ready pods, one of each name."""
    found = {}
    for pod in items("pods", namespace):
        conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
        if conditions.get("Ready") != "True" or "deletionTimestamp" in pod["metadata"]:
            continue
        labels = pod["metadata"]["labels"]
        name, address = pod["metadata"]["name"], pod["status"]["podIP"]
        found[labels[NAME]] = Pod(labels[NAME], namespace, labels, _ports(pod), address, name)
    return list(found.values())


def commands(namespace: str) -> Iterator[Pod]:
    """Yield a pod to create for each migration and scheduled command, with its labels."""
    for job in items("cronjobs", namespace):
        labels = job["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
        yield Pod(labels[NAME], namespace, labels)
    for job in items("jobs", namespace, "--selector", "app.kubernetes.io/component=migration"):
        labels = {
            key: value
            for key, value in job["spec"]["template"]["metadata"]["labels"].items()
            if not key.startswith(("batch.kubernetes.io/", "controller-uid", "job-name"))
        }
        yield Pod(labels[NAME], namespace, labels)


def strangers(namespace: str) -> Iterator[Pod]:
    """Yield pods to create that no policy names, in the namespace and outside it."""
    yield Pod("neighbour", namespace, {NAME: "neighbour"})
    yield Pod("stranger", "default", {NAME: "auth"})
    yield Pod("impostor", "default", {NAME: "prometheus"})
    if kubectl("get", "namespace", _OBSERVABILITY, "--ignore-not-found"):
        yield Pod("prometheus", _OBSERVABILITY, {NAME: "prometheus"})


def outside() -> Iterator[Pod]:
    """Yield the pods of other namespaces that are targets: a name server and the collector."""
    for pod in items("pods", "kube-system", "--selector", "k8s-app=kube-dns")[:1]:
        yield Pod("dns", "kube-system", {}, {53, *_ports(pod)}, pod["status"]["podIP"])
    for pod in items("pods", _OBSERVABILITY, "--selector", f"{NAME}={_COLLECTOR}")[:1]:
        yield Pod(_COLLECTOR, _OBSERVABILITY, {}, {4318, *_ports(pod)}, pod["status"]["podIP"])


def _ports(pod: Any) -> set[int]:
    """Return the TCP ports of the containers."""
    ports = [port for c in pod["spec"]["containers"] for port in c.get("ports", ())]
    return {port["containerPort"] for port in ports if port.get("protocol", "TCP") == "TCP"}


# -- attempts --------------------------------------------------------------------------------------


class Attempts:
    """Tries the same targets from inside each source."""

    def __init__(self, image: str, targets: Iterable[Pod]) -> None:
        """`image` has Python, and is on the nodes or can be pulled."""
        self._image = image
        self._targets = [(target, port) for target in targets for port in target.ports]
        addresses = json.dumps([(target.address, port) for target, port in self._targets])
        self._command = ["python", "-c", _INSIDE, addresses]
        self._container = f"{_MARK}-{secrets.token_hex(3)}"

    def open_from(self, source: Pod) -> set[Arrow]:
        """Return the connections that are open. Raises ClusterError."""
        pod = source.pod or self._create(source)
        if source.pod:
            options = ("--image", self._image, "--profile", "restricted", "--quiet")
            where = ("--namespace", source.namespace, "--container", self._container)
            kubectl("debug", pod, *where, *options, "--", *self._command)
        try:
            self._wait(source.namespace, pod)
            printed = kubectl("logs", pod, "--namespace", source.namespace, "-c", self._container)
        finally:
            if not source.pod:
                kubectl("delete", "pod", pod, "--namespace", source.namespace, "--wait=false")
        return {
            (source.name, target.name, port)
            for (target, port), is_open in zip(self._targets, json.loads(printed), strict=True)
            if is_open and target.address != source.address
        }

    def _create(self, source: Pod) -> str:
        name = f"{self._container}-{source.name}"
        restricted = {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        container = {
            "name": self._container,
            "image": self._image,
            "command": self._command,
            "securityContext": restricted,
        }
        user = {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": source.namespace,
                "labels": dict(source.labels),
            },
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "securityContext": user,
                "containers": [container],
            },
        }
        kubectl("apply", "--filename", "-", text=json.dumps(manifest))
        return name

    def _wait(self, namespace: str, pod: str) -> None:
        deadline = time.monotonic() + _WAIT
        while True:
            found = kubectl("get", "pod", pod, "--namespace", namespace, "--output", "json")
            status = json.loads(found)["status"]
            kinds = ("ephemeralContainerStatuses", "containerStatuses")
            states = [each for kind in kinds for each in status.get(kind, ())]
            for state in states:
                if state["name"] == self._container and "terminated" in state["state"]:
                    return
            if time.monotonic() > deadline:
                raise ClusterError(f"{pod}: the container {self._container} has not ended")
            time.sleep(0.5)


def main() -> int:
    """Return the exit status: 1 for a difference, 2 for a cluster that cannot be tried."""
    topology = declared()
    namespace = topology.project.name
    try:
        pods = running(namespace)
        sources = [*pods, *commands(namespace), *strangers(namespace)]
        targets = [*pods, *outside()]
        deployment = json.loads(
            kubectl("get", "deployment", "prober", "--namespace", namespace, "--output", "json")
        )
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        attempts = Attempts(image, targets)
        with ThreadPoolExecutor(4) as pool:
            found = set[Arrow]().union(*pool.map(attempts.open_from, sources))
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 2
    inside = {source.name for source in sources if source.namespace == namespace}
    ours = {pod.name for pod in pods}
    found = {arrow for arrow in found if arrow[0] in inside or arrow[1] in ours}
    wanted = expected(topology, sources, targets)
    ports = sum(len(target.ports) for target in targets)
    for source, target, port in sorted(found - wanted):
        print(f"open    {source} -> {target}:{port}, which the architecture does not allow")
    for source, target, port in sorted(wanted - found):
        print(f"closed  {source} -> {target}:{port}, which the architecture needs")
    print(
        f"{len(sources)} sources tried {ports} ports: {len(found & wanted)} of {len(wanted)} "
        f"allowed connections are open, and {len(found - wanted)} others"
    )
    return 1 if found != wanted else 0


if __name__ == "__main__":
    sys.exit(main())
