"""The packages that import-linter and mypy check."""

from collections.abc import Iterable, Sequence

from chassis.topology import ROOT, Topology
from deploy.generate.engine import Block, Output

_OURS = ("bench", "client", "deploy", "router", "stack", "tests")
"""Packages that are not services."""


def outputs(topology: Topology) -> Sequence[Output]:
    """Return the blocks of `.importlinter` and `pyproject.toml`."""
    modules = [service.module for service in topology.services.values()]
    packages = list(dict.fromkeys(module.partition(".")[0] for module in modules))
    libraries = sorted(folder.parent.name for folder in ROOT.glob("packages/*/src/*/py.typed"))
    checked = ", ".join(f'"{name}"' for name in ("chassis", *packages, *_OURS))
    return [
        Block(".importlinter", "packages", _lines([*libraries, *packages])),
        Block(".importlinter", "libraries", _lines(libraries)),
        Block(".importlinter", "unknown to the libraries", _lines(["chassis", *packages])),
        Block(".importlinter", "containers", _lines(modules)),
        Block(".importlinter", "independent", _lines(modules)),
        Block(".importlinter", "unknown to the chassis", _lines(packages)),
        Block("pyproject.toml", "packages", f"packages = [{checked}]\n"),
    ]


def _lines(names: Iterable[str]) -> str:
    return "".join(f"{name}\n" for name in names)
