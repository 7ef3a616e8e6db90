"""Keeps the exported schemas and the composed supergraph current, and does nothing twice."""

import hashlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from stack.commands import Commands
from stack.node import ROUTER_PACKAGES, install_packages
from stack.process import DIRECT, ROOT, StackError
from stack.services import module

SUPERGRAPH = ROOT / "router" / "supergraph.graphql"
API = ROOT / "router" / "api.graphql"
"""What clients see of the supergraph, with descriptions."""
CONFIGURATION = ROOT / "supergraph.yaml"
COMPOSE = ROOT / "router" / "compose.mjs"
_TIMEOUT = 10.0  # seconds


def schema_files() -> dict[str, Path]:
    """Return the file with the exported schema of each subgraph."""
    subgraphs = yaml.safe_load(CONFIGURATION.read_text())["subgraphs"]
    return {name: ROOT / subgraph["schema"]["file"] for name, subgraph in subgraphs.items()}


def exported_schemas() -> dict[str, str]:
    """Return the schema of each subgraph, as its code prints it. Raises StackError."""
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


def served_schema(url: str, router_secret: str) -> str:
    """Return the schema that a running subgraph serves: the text that it exports.

    Raises StackError.
    """
    request = urllib.request.Request(  # noqa: S310
        f"{url}/graphql",
        json.dumps({"query": "{ _service { sdl } }"}).encode(),
        {"content-type": "application/json", "x-router-secret": router_secret},
    )
    try:
        with DIRECT.open(request, timeout=_TIMEOUT) as answer:
            sdl: str = json.load(answer)["data"]["_service"]["sdl"]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise StackError(f"The subgraph at {url} does not serve its schema: {problem}") from problem
    return f"{sdl}\n"


def export_schemas() -> None:
    """Write the schema of each subgraph, as its code prints it, into its file."""
    write_schemas(exported_schemas())


def write_schemas(schemas: Mapping[str, str]) -> None:
    """Write schemas into the files of their subgraphs where they differ."""
    files = schema_files()
    for name, schema in schemas.items():
        if not files[name].exists() or files[name].read_text() != schema:
            files[name].write_text(schema)


def is_composed() -> bool:
    """Return whether the supergraph was composed of the schemas in the files."""
    if not all(file.exists() for file in (SUPERGRAPH, API, *schema_files().values())):
        return False
    inputs = (CONFIGURATION, COMPOSE, ROOT / "router" / "package-lock.json")
    with SUPERGRAPH.open() as file:
        return _digest((*inputs, *schema_files().values())) in file.readline()


def compose(commands: Commands) -> None:
    """Compose the schemas in the files. Raises StackError when they do not compose."""
    node = install_packages(commands, ROUTER_PACKAGES)
    with commands.console.timed_step("Composing the supergraph"):
        commands.run("compose", node, COMPOSE)


def refresh(commands: Commands) -> None:
    """Export the schemas if one is missing, and compose if a file has changed since.

    The schemas of the code itself are compared when the services run.
    """
    if not all(file.exists() for file in schema_files().values()):
        with commands.console.timed_step("Exporting the schemas of the subgraphs"):
            export_schemas()
    if not is_composed():
        compose(commands)


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
