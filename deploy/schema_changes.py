"""Refuses changes of the GraphQL schemas that break clients of the last release.

`python -m deploy.schema_changes` compares the API schema and each subgraph's schema with those in
router/released/. The API's clients need the first; the second matter during a roll-out, when the
router before asks the services after it. `python -m deploy.schema_changes --release` records the
schemas of a release.
"""

import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from graphql import GraphQLSchema, build_ast_schema, find_breaking_changes, parse

from chassis.topology import ROOT, declared

RELEASED = Path("router/released")
ACCEPTED = RELEASED / "accepted.toml"

_HEADER = """\
# Intended breaking changes since the last release. Each needs the schema's name, the change
# as `python -m deploy.schema_changes` prints it, and the reason, which the changelog repeats:
#
#   [[change]]
#   schema = "api"
#   change = "Field Query.me was removed."
#   reason = "Use `viewer`."
"""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that breaks operations which the released schema admits."""

    schema: str
    """`api`, or the name of a subgraph."""
    change: str


def schema_files() -> dict[str, Path]:
    """Return the file of each schema, relative to the root of the repository."""
    exported = {each.name: Path(each.folder) / "schema.graphql" for each in declared().subgraphs}
    return {"api": Path("router/api.graphql"), **exported}


def problems(root: Path) -> Iterator[str]:
    """Yield one line for each breaking change that is not accepted, and each needless acceptance.

    A subgraph without a released schema is new and breaks nothing.
    """
    accepted = set()
    for entry in tomllib.loads((root / ACCEPTED).read_text()).get("change", []):
        change = Change(entry.get("schema", ""), entry.get("change", ""))
        if not entry.get("reason"):
            yield f"{ACCEPTED}: {change.change!r} needs a reason"
        accepted.add(change)
    found = set(_changes(root))
    for change in sorted(found - accepted, key=_order):
        yield (
            f"{change.schema}: {change.change} This breaks clients of the last release: "
            f"keep it, deprecate it, or accept it with a reason in {ACCEPTED}"
        )
    for change in sorted(accepted - found, key=_order):
        yield f"{ACCEPTED}: {change.change!r} of {change.schema} is no change; remove the entry"


def release(root: Path) -> None:
    """Record the schemas as those of a release, from which later changes are counted."""
    for old in (root / RELEASED).glob("*.graphql"):
        old.unlink()
    for name, file in schema_files().items():
        (root / RELEASED / f"{name}.graphql").write_text((root / file).read_text())
    (root / ACCEPTED).write_text(_HEADER)


def _order(change: Change) -> tuple[str, str]:
    return change.schema, change.change


def _changes(root: Path) -> Iterator[Change]:
    for name, file in schema_files().items():
        released = root / RELEASED / f"{name}.graphql"
        if released.is_file():
            for breaking in find_breaking_changes(_schema(released), _schema(root / file)):
                yield Change(name, breaking.description)


def _schema(file: Path) -> GraphQLSchema:
    # A subgraph's schema uses federation's directives and scalars without defining them.
    return build_ast_schema(parse(file.read_text()), assume_valid_sdl=True)


def main(arguments: list[str]) -> int:
    if arguments == ["--release"]:
        release(ROOT)
        return 0
    found = list(problems(ROOT))
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
