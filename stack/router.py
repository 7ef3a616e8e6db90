"""Finds the Apollo Router and makes the environment of it and of its stand-in."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from stack.process import ROOT, StackError
from stack.services import subgraph_names

VERSION = "2.17.0"


class Kind(StrEnum):
    """Which router runs; `--router` and CHIRP_E2E_ROUTERS take these names."""

    ROUTER = "router"
    STAND_IN = "stand-in"

    @property
    def described(self) -> str:
        return "Apollo Router" if self is Kind.ROUTER else "stand-in for the Apollo Router"


def cached_binary() -> Path:
    """Return where the router of our version is installed. Renaming the product keeps the path."""
    return _cache() / "apollo-router" / _BINARY


def find_cached() -> Path | None:
    """Return the router of our version in the cache, or `None`.

    Earlier versions of this project installed it in a folder named after the product, so every
    folder of the cache is searched.
    """
    candidates = (cached_binary(), *sorted(_cache().glob(f"*/{_BINARY}")))
    return next((path for path in candidates if os.access(path, os.X_OK)), None)


_BINARY = f"router-{VERSION}/bin/router"


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def find_router(settings: Mapping[str, str]) -> Path | None:
    """Return ROUTER_BIN, else a `router` of our version in PATH, else the cached one, or `None`.

    Raises StackError when ROUTER_BIN is not a program.
    """
    chosen = settings.get("ROUTER_BIN")
    if chosen:
        if not os.access(chosen, os.X_OK):
            raise StackError(f"ROUTER_BIN is not a program: {chosen}")
        return Path(chosen)
    in_path = shutil.which("router")
    if in_path and version_of(Path(in_path)) == VERSION:
        return Path(in_path)
    return find_cached()


def version_of(binary: Path) -> str:
    """Return what `--version` prints, or an empty string when the program does not run.

    Another program named `router` prints something else.
    """
    try:
        result = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip()


def router_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that router.yaml and gateway.mjs read.

    No secret is among them, and nothing that connects the router to Apollo's cloud.
    """
    development = settings.get("ENVIRONMENT") == "development"
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "ROUTER_LISTEN": f"{settings['ROUTER_HOST']}:{settings['ROUTER_PORT']}",
        "ROUTER_INTROSPECTION": settings.get("GRAPHQL_INTROSPECTION") or str(development).lower(),
        **{
            f"{name}_URL": _graphql_url(settings, name) for name in map(str.upper, subgraph_names())
        },
        "ROUTER_QUERY_PLANS": str(development).lower(),
        "ROUTER_SCRIPTS": str(ROOT / "router"),
        "APOLLO_TELEMETRY_DISABLED": "true",
        **_tracing(settings.get("TRACING_ENDPOINT", "")),
    }


def _tracing(endpoint: str) -> dict[str, str]:
    if not endpoint:
        return {}
    # The router's spans have the level `info`; it does not trace what it does not log.
    return {"ROUTER_TRACING": "true", "TRACING_ENDPOINT": endpoint, "APOLLO_ROUTER_LOG": "info"}


def _graphql_url(settings: Mapping[str, str], name: str) -> str:
    return f"http://{settings[f'{name}_HOST']}:{settings[f'{name}_PORT']}/graphql"
