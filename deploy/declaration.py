"""Compares services.toml with the folders of the services: `python -m deploy.declaration`.

Each difference is printed as one line that names the file and what to add.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from chassis.topology import FILE, ROOT, Kind, Service, Topology, TopologyError, read


def problems(root: Path) -> Iterator[str]:
    """Yield one line for each difference between declaration and code. Raises TopologyError."""
    topology = read(root)
    yield from _undeclared(root, topology)
    for service in topology.services.values():
        if not (root / service.folder / "__main__.py").is_file():
            yield (
                f"{FILE}: [services.{service.name}] has no code: there is no "
                f"{service.folder}/__main__.py; add it, or remove the stanza"
            )
            continue
        if not (root / "requirements" / f"{service.requirements}.txt").is_file():
            yield (
                f"{FILE}: [services.{service.name}] requirements: there is no "
                f"requirements/{service.requirements}.txt; write the .in file and run: make lock"
            )
        if service.kind is Kind.SUBGRAPH:
            yield from _differences(root, service)


def _undeclared(root: Path, topology: Topology) -> Iterator[str]:
    folders = {service.folder for service in topology.services.values()}
    for file in sorted(root.glob("subgraphs/*/__main__.py")):
        folder = str(file.parent.relative_to(root))
        if folder not in folders:
            yield f"{folder} is not declared; add [services.{file.parent.name}] to {FILE}"


def _differences(root: Path, service: Service) -> Iterator[str]:
    folder = root / service.folder
    migrations = "".join(file.read_text() for file in sorted(folder.glob("migrations/*.py")))
    schema = folder / "schema.graphql"
    exported = schema.read_text() if schema.is_file() else ""
    for key, is_declared, found, evidence in (
        ("database", service.database, bool(migrations), "has migrations"),
        ("publishes", service.publishes, "outbox" in migrations, "has an outbox in its migrations"),
        (
            "subscriptions",
            service.subscriptions,
            "\ntype Subscription " in exported,
            "has subscriptions in schema.graphql",
        ),
    ):
        if found and not is_declared:
            yield (
                f"{FILE}: [services.{service.name}] lacks {key} = true; {service.folder} {evidence}"
            )
        if is_declared and not found:
            yield (
                f"{FILE}: [services.{service.name}] says {key} = true, but nothing in "
                f"{service.folder} {evidence}"
            )
    if service.name != "auth" and "auth" not in service.calls:
        yield (
            f'{FILE}: [services.{service.name}] lacks calls = ["auth"]; a write asks auth whether '
            "its session has ended"
        )
    consumes = bool(service.consumes or service.consumes_if_declared)
    if (folder / "consumer.py").is_file() and not consumes:
        yield (
            f"{FILE}: [services.{service.name}] lacks consumes = […]; "
            f"{service.folder}/consumer.py handles events"
        )


def main() -> int:
    """Return the exit status: 1 for a difference."""
    try:
        found = list(problems(ROOT))
    except TopologyError as error:
        found = [str(error)]
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
