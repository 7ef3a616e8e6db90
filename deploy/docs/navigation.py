"""The pages of the site, in four kinds (https://diataxis.fr)."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chassis.topology import ROOT, Topology

Entry = Mapping[str, Any]
"""The title of a page with its path, or of a section with its entries."""


def navigation(topology: Topology) -> Sequence[Entry]:
    """Return the sections of the site."""
    return [
        {"Home": "README.md"},
        {"Tutorial": "docs/tutorial.md"},
        {"How-to": [*_pages("docs/guides"), *_HOW_TO]},
        {"Reference": [*_pages("docs/reference"), {"Services": _services(topology)}, *_REFERENCE]},
        {"Explanation": [*_EXPLANATION, {"Decisions": _pages("docs/adr")}]},
        {"Project": _PROJECT},
    ]


_HOW_TO: Sequence[Entry] = [
    {"Set up a client": "docs/clients.md"},
    {"Protect a field by role": "docs/roles.md"},
    {"Upgrade a fork": "docs/upgrading.md"},
    {"Deploy": "deploy/README.md"},
    {"Runbook": "docs/runbook.md"},
]
_REFERENCE: Sequence[Entry] = [
    {"services.toml": "docs/services.md"},
    {"Edge and router": "router/README.md"},
    {"Stack": "stack/README.md"},
    {"Chassis": "chassis/README.md"},
    {"graphql-streams": "packages/graphql-streams/README.md"},
    {"strawberry-compiled": "packages/strawberry-compiled/README.md"},
]
_EXPLANATION: Sequence[Entry] = [
    {"Architecture": "docs/architecture.md"},
    {"Chirp and others": "docs/comparison.md"},
    {"Performance": "docs/performance.md"},
    {"Scaling": "docs/scaling.md"},
    {"ASVS": "docs/asvs.md"},
    {"Observability": "docs/observability.md"},
]
_PROJECT: Sequence[Entry] = [
    {"Contributing": "CONTRIBUTING.md"},
    {"Changelog": "CHANGELOG.md"},
    {"Security": "SECURITY.md"},
    {"Reports to other projects": "docs/upstream.md"},
    {"This site": "docs/site.md"},
]


def _pages(folder: str) -> list[Entry]:
    """Return the pages of a folder by the names of their files, with their headings as titles."""
    return [
        {_title(page): str(page.relative_to(ROOT))} for page in sorted(ROOT.glob(f"{folder}/*.md"))
    ]


def _title(page: Path) -> str:
    return page.read_text().partition("# ")[2].partition("\n")[0]


def _services(topology: Topology) -> list[Entry]:
    return [{each.name: f"{each.folder}/README.md"} for each in topology.services.values()]


def paths(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield the paths of the pages, in order."""
    for entry in entries:
        for target in entry.values():
            if isinstance(target, str):
                yield target
            else:
                yield from paths(target)
