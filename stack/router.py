"""The Apollo Router: where its binary is, or how to bring it; and the stand-in for it."""

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
    """Which router runs. The names are what the tests and the output call them."""

    ROUTER = "router"
    STAND_IN = "stand-in"


def cached_binary() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "chirp" / f"router-{VERSION}" / "bin" / "router"


def find_router(settings: Mapping[str, str]) -> Path | None:
    """ROUTER_BIN, else a `router` of our version in PATH, else the cache, else None."""
    chosen = settings.get("ROUTER_BIN")
    if chosen:
        if not os.access(chosen, os.X_OK):
            raise StackError(f"ROUTER_BIN is not a program: {chosen}")
        return Path(chosen)
    in_path = shutil.which("router")
    if in_path and version_of(Path(in_path)) == VERSION:
        return Path(in_path)
    return cached_binary() if os.access(cached_binary(), os.X_OK) else None


def version_of(binary: Path) -> str:
    """What the program says its version is; another program of that name says something else."""
    try:
        said = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.strip()


def router_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """What router.yaml and gateway.mjs read. Nothing of Apollo's cloud, and no secret of ours."""
    development = settings.get("ENVIRONMENT") == "development"
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "ROUTER_LISTEN": f"{settings['ROUTER_HOST']}:{settings['ROUTER_PORT']}",
        "ROUTER_INTROSPECTION": settings.get("GRAPHQL_INTROSPECTION") or str(development).lower(),
        **{
            f"{name}_URL": _graphql_url(settings, name) for name in map(str.upper, subgraph_names())
        },
        "ROUTER_SCRIPTS": str(ROOT / "router"),
        "APOLLO_TELEMETRY_DISABLED": "true",
        **_tracing(settings.get("TRACING_ENDPOINT", "")),
    }


def _tracing(endpoint: str) -> dict[str, str]:
    if not endpoint:
        return {}
    # Its spans are of the level `info`: what it does not log it does not trace.
    return {"ROUTER_TRACING": "true", "TRACING_ENDPOINT": endpoint, "APOLLO_ROUTER_LOG": "info"}


def _graphql_url(settings: Mapping[str, str], name: str) -> str:
    return f"http://{settings[f'{name}_HOST']}:{settings[f'{name}_PORT']}/graphql"
