"""The shell variables that the deployment scripts read."""

from collections.abc import Iterable, Sequence

from chassis.topology import Service, Topology
from deploy.generate.engine import File, Output
from deploy.generate.images import images


def outputs(topology: Topology) -> Sequence[Output]:
    """Return `deploy/services.sh`."""
    secrets = "\n".join(
        f"{service.name} {name} {kind}"
        for service in topology.services.values()
        for name, kind in service.secrets.items()
    )
    secret_files = "\n".join(
        f"{service.name} {service.secret_file_names[name]} {kind}"
        for service in topology.services.values()
        for name, kind in service.secret_files.items()
    )
    text = f"""\
# shellcheck shell=sh disable=SC2034
# The services, for the scripts that source this file.
project={topology.project.name}
services="{" ".join(topology.services)}"
subgraphs="{_names(topology.subgraphs)}"
databases="{_names(topology.databases)}"
images="{" ".join(image.name for image in images(topology))}"
# For each secret that a service declares: service, setting, kind of value.
secrets="{secrets}"
# For each file with a secret: service, name of the file, kind of content.
secret_files="{secret_files}"
"""
    return [File("deploy/services.sh", text)]


def _names(services: Iterable[Service]) -> str:
    return " ".join(service.name for service in services)
