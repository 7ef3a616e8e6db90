"""Keeps the exported schemas and the composed supergraph current, and does nothing twice."""

import hashlib
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from chassis.topology import FILE, declared
from stack.commands import Commands
from stack.node import ROUTER_PACKAGES, install_packages
from stack.process import ROOT, StackError
from stack.services import module

SUPERGRAPH = ROOT / "router" / "supergraph.graphql"
CONFIGURATION = ROOT / "supergraph.yaml"
COMPOSE = ROOT / "router" / "compose.mjs"


def schema_files() -> dict[str, Path]:
    """Where each subgraph's exported schema lies."""
    subgraphs = yaml.safe_load(CONFIGURATION.read_text())["subgraphs"]
    return {name: ROOT / subgraph["schema"]["file"] for name, subgraph in subgraphs.items()}


def exported_schemas() -> dict[str, str]:
    """What each subgraph's code says its schema is."""
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", module(name), "schema"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in schema_files()
    }
    schemas = {}
    for name, process in running.items():
        schemas[name], problem = process.communicate()
        if process.returncode:
            raise StackError(f"The schema of {name} cannot be exported:\n{problem}")
    return schemas


def export_schemas() -> None:
    for name, schema in exported_schemas().items():
        file = schema_files()[name]
        if not file.exists() or file.read_text() != schema:
            file.write_text(schema)


def is_composed() -> bool:
    """Whether the supergraph was composed of what lies here now."""
    if not SUPERGRAPH.exists() or not all(file.exists() for file in schema_files().values()):
        return False
    inputs = (CONFIGURATION, COMPOSE, ROOT / "router" / "package-lock.json")
    with SUPERGRAPH.open() as file:
        return _digest((*inputs, *schema_files().values())) in file.readline()


def compose(commands: Commands) -> None:
    commands.run("compose", install_packages(commands, ROUTER_PACKAGES), COMPOSE)


def refresh(commands: Commands, data: Path) -> None:
    """Exports when the code has changed since the last time, composes when a schema has."""
    stamp = data / "schemas.stamp"
    folders = ["chassis", *(service.folder for service in declared().subgraphs)]
    code = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    state = _digest([ROOT / FILE, *sorted(code)])
    if not stamp.exists() or stamp.read_text() != state:
        commands.console.step("Exporting the schemas of the subgraphs")
        export_schemas()
        stamp.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        stamp.write_text(state)
    if not is_composed():
        commands.console.step("Composing the supergraph")
        compose(commands)


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
