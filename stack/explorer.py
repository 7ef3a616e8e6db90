"""The explorer: its page, built when its sources have changed, and the process that serves it."""

import hashlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from chassis.topology import declared
from stack import log_lines
from stack.commands import Commands
from stack.locks import locked
from stack.node import install_packages
from stack.preload import Preloader
from stack.process import ROOT, HttpProbe, Process

EXPLORER = "explorer"
"""The explorer's name in `services.toml`."""

PACKAGES = ROOT / "explorer"
_DIST = PACKAGES / "dist"
_STAMP = _DIST / ".sources"
_SETTINGS = (
    *("ENVIRONMENT", "GRAPHQL_INTROSPECTION"),
    *("EXPLORER_HOST", "EXPLORER_PORT", "EXPLORER_TRACE_URL", "SHUTDOWN_NOTICE_SECONDS"),
)


def explorer(
    settings: Mapping[str, str],
    url: str,
    commands: Commands,
    *,
    log: Path | None = None,
    preloader: Preloader | None = None,
) -> Process:
    """Return the process, after building the page. Its environment holds no secret."""
    build(commands)
    return Process(
        EXPLORER,
        [sys.executable, "-m", declared()[EXPLORER].module, "serve"],
        console=commands.console,
        environment={name: settings[name] for name in _SETTINGS if name in settings},
        ready=HttpProbe(f"{url}/readyz"),
        is_routine=log_lines.below_warning,
        log=log,
        preloader=preloader,
    )


def build(commands: Commands) -> bool:
    """Build the page if its sources have changed; return whether they had. Raises StackError."""
    if is_built():
        return False
    node = install_packages(commands, PACKAGES)
    with locked(PACKAGES / "index.html", commands.interrupted):
        if not is_built():
            _build(node, commands)
    return True


def is_built() -> bool:
    """Return whether the page is that of the present sources."""
    return _STAMP.exists() and _STAMP.read_text() == _digest()


def _build(node: Path, commands: Commands) -> None:
    digest = _digest()
    vite = PACKAGES / "node_modules" / "vite" / "bin" / "vite.js"
    with commands.console.timed_step("Building the explorer's page"):
        commands.run("vite", node, vite, "build", PACKAGES, "--logLevel", "warn")
        commands.run("explorer", node, PACKAGES / "weigh.mjs")
    _STAMP.write_text(digest)  # last, so that an unfinished build is repeated


def _digest() -> str:
    digest = hashlib.sha256()
    for file in sorted(_sources()):
        digest.update(f"{file.relative_to(PACKAGES)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    for name in ("index.html", "package-lock.json", "tsconfig.json", "vite.config.ts", "weigh.mjs"):
        yield PACKAGES / name
    for folder in ("public", "src"):
        yield from (file for file in (PACKAGES / folder).rglob("*") if file.is_file())
