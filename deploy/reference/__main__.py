"""Writes the reference pages, or with --check names those that differ.

`python -m deploy.reference [--check]`
"""

import sys
from collections.abc import Callable, Mapping, Sequence

from chassis.topology import ROOT, Topology, declared
from deploy.reference import errors, events, limits, metrics, schema, settings

FOLDER = ROOT / "docs" / "reference"

PAGES: Mapping[str, Callable[[Topology], str]] = {
    "schema": schema.text,
    "settings": settings.text,
    "events": events.text,
    "errors": errors.text,
    "metrics": metrics.text,
    "limits": limits.text,
}


def main(arguments: Sequence[str]) -> int:
    """Return the exit status: 1 for a difference that --check finds."""
    different = []
    for name, text in PAGES.items():
        path, wanted = FOLDER / f"{name}.md", text(declared())
        if path.exists() and path.read_text() == wanted:
            continue
        different.append(path.relative_to(ROOT))
        if "--check" not in arguments:
            FOLDER.mkdir(exist_ok=True)
            path.write_text(wanted)
    if "--check" not in arguments:
        print("".join(f"{path}\n" for path in different), end="")
        return 0
    for path in different:
        print(f"{path} differs from the code. Run: make reference", file=sys.stderr)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
