"""The images of the system, and the lists of them in overlays, workflows and build contexts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chassis.topology import DEFAULT_TARGET, Service, Topology
from deploy.generate.engine import Block, Output

_LOCAL = "deploy/kubernetes/overlays/local/kustomization.yaml"
_DIGITALOCEAN = "deploy/kubernetes/overlays/digitalocean/kustomization.yaml"
_STREAMING_TARGET = "streaming-service"
"""The target of the Dockerfile for a service with subscriptions: it adds the supergraph."""

_PLACEHOLDER = "0.1.0"
"""The version in the overlay `digitalocean`; the workflow `deploy` puts digests in its place."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image: a target of the Dockerfile and its build arguments."""

    name: str
    target: str
    arguments: Mapping[str, str] = field(default_factory=dict)


def image_of(service: Service) -> Image:
    """Return the image of a service."""
    arguments = {
        "MODULE": service.module,
        "FOLDER": service.folder,
        "PORT": str(service.port),
        "REQUIREMENTS": service.requirements,
    }
    is_plain = service.target == DEFAULT_TARGET
    target = _STREAMING_TARGET if is_plain and service.subscriptions else service.target
    return Image(service.name, target, arguments)


def images(topology: Topology) -> list[Image]:
    """Return every image of the system, those of the services first."""
    others = [Image(name, name) for name in ("prober", "router", "edge-config")]
    return [*map(image_of, topology.services.values()), *others]


def outputs(topology: Topology) -> Sequence[Output]:
    """Return the blocks that list images, their folders or their packages."""
    project = topology.project
    local, released = "images:\n", "images:\n"
    for image in images(topology):
        local += f"- {{name: {image.name}, newName: {project.name}-{image.name}, newTag: local}}\n"
        name = f"{project.registry}/{project.name}/{image.name}"
        released += f"- {{name: {image.name}, newName: {name}, newTag: {_PLACEHOLDER}}}\n"
    return [
        Block(_LOCAL, "images", local),
        Block(_DIGITALOCEAN, "images", released),
        Block(".github/workflows/release.yml", "images", _matrix(topology)),
        Block(".dockerignore", "folders", _folders(topology)),
        Block("requirements/stack.in", "services", _requirements(topology)),
    ]


def _matrix(topology: Topology) -> str:
    text = "include:\n"
    for image in images(topology):
        text += f"- image: {image.name}\n  target: {image.target}\n"
        if image.arguments:
            text += "  arguments: |\n"
            text += "".join(f"    {name}={value}\n" for name, value in image.arguments.items())
    return text


def _folders(topology: Topology) -> str:
    folders = (service.folder.split("/")[0] for service in topology.services.values())
    return "".join(f"!{folder}\n" for folder in dict.fromkeys(folders))


def _requirements(topology: Topology) -> str:
    files = (service.requirements for service in topology.services.values())
    return "".join(f"-r {file}.in\n" for file in dict.fromkeys(files))
