"""Fixtures for several kinds of tests: real servers and a whole stack, one of each per process."""

import io
import os
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
import structlog
from xdist.remote import Producer

from chassis.topology import declared
from deploy.undeclared import undeclared
from stack.console import Console
from stack.ports import free_ports
from stack.postgres import Postgres
from stack.router import Kind
from stack.valkey import valkey
from tests.scheduling import StackScheduling
from tests.stack import edge, mailbox, sign_up, sign_up_verified, stack, verify

__all__ = ["edge", "mailbox", "sign_up", "sign_up_verified", "stack", "verify"]

# By default structlog draws tracebacks with their local variables, which takes a second for each.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(),
    ]
)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The superuser's URL of a PostgreSQL server; TEST_DATABASE_URL names a running one."""
    if running := os.environ.get("TEST_DATABASE_URL"):
        yield running
        return
    server = Postgres(tmp_path_factory.mktemp("postgres"), free_ports(1)[0], Console(io.StringIO()))
    never = threading.Event()
    server.initialise(never)
    server.process.start()
    try:
        server.process.wait_until_ready(never)
        yield server.superuser_url
    finally:
        server.process.stop()


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Valkey server."""
    url = f"redis://:secret@127.0.0.1:{free_ports(1)[0]}/0"
    server = valkey(tmp_path_factory.mktemp("valkey"), url, Console(io.StringIO()))
    server.start()
    try:
        server.wait_until_ready(threading.Event())
        yield url
    finally:
        server.stop()


# -- services that a fork has removed or added ----------------------------------------------------


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Ignore files that import an undeclared service."""
    return True if collection_path in undeclared() else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests that need an undeclared service or add a declared one; pytest counts them."""

    def named(item: pytest.Item, marker: str) -> set[str]:
        return {service for mark in item.iter_markers(marker) for service in mark.args}

    known = declared().services.keys()
    left_out = [i for i in items if named(i, "needs") - known or named(i, "adds") & known]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


# -- several processes ----------------------------------------------------------------------------


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> StackScheduling:
    return StackScheduling(config, log)


# -- the router of each test, and its log after a failure ------------------------------------------

_LINES = 100  # of the log
_FIGURE = "figure"

DESCRIPTIONS = {
    Kind.ROUTER: "the Apollo Router",
    Kind.STAND_IN: "its stand-in, Apollo's Node gateway",
}


@pytest.fixture
def show_figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Return a function for a sentence with a measured figure, which ends the run's output."""
    return lambda sentence: record_property(_FIGURE, sentence)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if "stack" in parameters:
        setattr(report, "router", str(parameters["stack"]))  # noqa: B010 - a field of our own
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(log := getattr(value, "log", None), Path):
                lines = log.read_text(errors="replace").splitlines()[-_LINES:]
                report.sections.append(("last log lines of the stack", "\n".join(lines)))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts: dict[Kind, Counter[str]] = {kind: Counter() for kind in Kind}
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.getreports(outcome):
            if hasattr(report, "router"):
                counts[Kind(report.router)][outcome] += 1
            for name, value in getattr(report, "user_properties", ()):
                if name == _FIGURE and report.when == "call":
                    terminalreporter.write_line(str(value))
    for kind, outcomes in counts.items():
        if outcomes:
            counted = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
            terminalreporter.write_line(f"end to end, on {DESCRIPTIONS[kind]}: {counted}")
