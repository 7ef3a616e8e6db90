"""The reference of metrics, from the places where they are made."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chassis.topology import ROOT, Topology
from deploy.reference.markdown import code, codes, page, table
from deploy.reference.sources import files, module

_TYPES = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram"}


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as Prometheus gets it, without the suffixes of a histogram."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


def metrics(folder: Path) -> Iterator[Metric]:
    """Yield the metrics that the files of a folder make, in the order of the source."""
    for file in files(folder):
        for node in ast.walk(module(file)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                type_ = _TYPES.get(node.func.id)
                if type_ and len(node.args) > 1:
                    name, help_, *labels = (ast.literal_eval(each) for each in node.args)
                    yield Metric(name, type_, tuple(*labels), help_)


def sections(topology: Topology) -> Iterator[tuple[str, list[Metric]]]:
    """Yield the metrics of each part of the system, by its title."""
    yield "Every subgraph", [*metrics(ROOT / "chassis")]
    for service in topology.services.values():
        yield service.name, [*metrics(ROOT / service.folder)]
    yield "prober", [*metrics(ROOT / "deploy" / "prober")]


def text(topology: Topology) -> str:
    """Return the page."""
    return page(
        "the code that makes the metrics",
        "Metrics",
        "What each service exports at `/metrics` on its own port, in the text format of "
        "Prometheus. A histogram has the suffixes `_bucket`, `_count` and `_sum`. Prometheus adds "
        "`service` and `instance`. The standard metrics `process_*` and `python_gc_*` come "
        "besides, and those of the Apollo Router on its port. "
        "[Observability](../observability.md) says what they are for.",
        *(
            f"## {title}\n\n" + _table(found)
            for title, found in sections(topology)
            if found  # a page exports none
        ),
    )


def _table(found: list[Metric]) -> str:
    rows = [[code(m.name), m.type, codes(m.labels), m.help] for m in found]
    return table(["metric", "type", "labels", "meaning"], rows)
