"""`python -m deploy.scaffold NAME`: writes a new subgraph and declares it in services.toml."""

import argparse
import subprocess
import sys
from pathlib import Path

from chassis.topology import FILE, ROOT, Topology, TopologyError, parse
from deploy.dotenv import read
from deploy.scaffold.names import NameProblemError, Names, problems
from deploy.scaffold.templates import TYPES, extended, own_identifiers, render
from stack.environment import EXAMPLE

_FIRST_PORT = 4101
_TWEETS, _AUTH = "tweets", "auth"
_SUBSCRIPTION = 'subscriptions = true\nrequirements = "subscriptions"\n'


def main() -> int:
    """Return the status of the process: 1 where nothing was written, or a later step failed."""
    parser = argparse.ArgumentParser(prog="python -m deploy.scaffold", description=__doc__)
    parser.add_argument("name", help="what the subgraph holds, as a plural: likes")
    parser.add_argument("--item", help="the singular, where it is irregular: medium for media")
    parser.add_argument(
        "--extends",
        choices=tuple(TYPES),
        help="whose type it adds fields to: Tweet of tweets (as long as there is that service), "
        "or User of auth",
    )
    parser.add_argument(
        "--subscription", action="store_true", help="with a subscription to its changes"
    )
    arguments = parser.parse_args()
    names = Names.of(arguments.name, arguments.item or None)
    try:
        files = create(ROOT, names, arguments.extends, subscription=arguments.subscription)
    except (NameProblemError, TopologyError) as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"Wrote subgraphs/{arguments.name}, its tests and its stanza in {FILE}. Generated from it:",
        flush=True,
    )
    for command in _steps(files):
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            print(
                f"Failed: {' '.join(command[1:])}. Correct that and run it again.", file=sys.stderr
            )
            return 1
    print("Start everything with make up, or change the service first: see docs/tutorial.md.")
    return 0


def create(
    root: Path, names: Names, extends: str | None, *, subscription: bool = False
) -> list[str]:
    """Write the files and the stanza of a subgraph under `root`; return the paths of the files.

    `extends` is the service whose type it extends, by default `tweets` where it is declared.
    Raises NameProblemError, TopologyError for a `services.toml` that is wrong before, and then has
    changed nothing.
    """
    declaration = (root / FILE).read_text()
    topology = parse(declaration)
    owner = extends or (_TWEETS if _TWEETS in topology.services else _AUTH)
    if owner not in topology.services:
        raise NameProblemError(f"There is no service {owner} to extend.")
    type_ = extended(root, topology[owner])
    if found := [*problems(names, topology, own_identifiers(type_))]:
        raise NameProblemError("\n".join(found))
    files = render(names, type_, subscription=subscription)
    taken = [path for path in files if (root / path).exists()]
    if taken:
        raise NameProblemError(f"{', '.join(taken)} exist already; remove them first.")
    stanza = _stanza(names.name, owner, _free_port(topology))
    if subscription:
        stanza += _SUBSCRIPTION
    parse(declaration + stanza)
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / FILE).write_text(declaration + stanza)
    return [*files]


def _stanza(name: str, owner: str, port: int) -> str:
    consumes = [_AUTH] if owner == _AUTH else [_AUTH, owner]
    quoted = ", ".join(f'"{service}"' for service in consumes)
    return f"""
[services.{name}]
module = "subgraphs.{name}"
kind = "subgraph"
port = {port}
database = true
publishes = true
consumes = [{quoted}]
calls = ["{_AUTH}"]
scopes = ["{name}:read", "{name}:write"]
"""


def _free_port(topology: Topology) -> int:
    """Return the first port that no service and no setting of the local stack names."""
    taken = {int(value) for name, value in read(EXAMPLE).items() if name.endswith("_PORT")}
    for service in topology.services.values():
        taken |= {service.port, service.grpc_port or 0}
    return next(port for port in range(_FIRST_PORT, 65536) if port not in taken)


def _steps(files: list[str]) -> list[list[str]]:
    """Return the commands that complete what was written; each can be run again."""
    python = [path for path in files if path.endswith(".py")]
    return [
        [sys.executable, "-m", "ruff", "check", "--quiet", "--fix", "--select", "I", *python],
        [sys.executable, "-m", "ruff", "format", "--quiet", *python],
        [sys.executable, "-m", "deploy.generate"],
        [sys.executable, "-m", "stack", "supergraph"],
        [sys.executable, "-m", "deploy.reference"],
    ]


if __name__ == "__main__":
    sys.exit(main())
