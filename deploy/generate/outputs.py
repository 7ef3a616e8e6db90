"""Every file and block that is generated from services.toml."""

from chassis.topology import Topology
from deploy.generate import (
    compose,
    images,
    kubernetes,
    lint,
    observability,
    policies,
    router,
    scripts,
)
from deploy.generate.engine import Output

_PARTS = (router, compose, kubernetes, policies, images, scripts, observability, lint)


def outputs(topology: Topology) -> list[Output]:
    """Return every generated file and block."""
    return [output for part in _PARTS for output in part.outputs(topology)]
