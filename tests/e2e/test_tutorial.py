"""The tutorial, typed into a shell in a fork: its commands work, the last answers are as shown."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chassis.topology import ROOT
from stack.environment import on_free_ports
from tests.fork import fork
from tests.guides import edits, shell, subgraphs
from tests.stack import eventually, router_kinds

PAGE = "docs/tutorial.md"

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.needs("tweets"),
    pytest.mark.adds(*subgraphs(PAGE)),
]

GENERATE, TEST, COMPOSE, START, SIGN_UP, TWEET, LIKE, CHECK = shell(PAGE)
"""The commands, in the order of the page."""

MAKE = f"""
set -eu
make() {{ command make -s -o setup -o setup-stack PYTHON_IN={sys.executable} "$@"; }}
"""
"""Uses the packages that are installed here."""

PATIENTLY = f"""
like() {{
{LIKE}
}}
for try in $(seq 30); do
    answers=$(like)
    case $answers in *addLike*likeCount*viewerHasLike*) break ;; esac
    sleep 1
done
echo "$answers"
"""
"""Likes again while the tweet is not known yet: a busy machine needs longer than the page says."""


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fork whose settings are free ports."""
    root = fork(tmp_path / "chirp").root
    ports = on_free_ports()
    (root / ".env").write_text("".join(f"{name}={value}\n" for name, value in ports.items()))
    return root


def run(root: Path, script: str) -> str:
    environment = os.environ | {"ROUTER": str(router_kinds()[0])}
    done = subprocess.run(
        ["bash", "-c", MAKE + script],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def edited(clone: Path) -> Path:
    """The fork after everything up to the start of the system."""
    run(clone, GENERATE)
    for edit in edits(PAGE):
        edit.apply(clone)
    run(clone, TEST)
    run(clone, COMPOSE)
    return clone


@pytest.fixture
def url(edited: Path) -> Iterator[str]:
    """The address of the system that the tutorial starts."""
    port = re.findall(r"(?m)^EDGE_PORT=(\d+)$", (edited / ".env").read_text())[0]
    with (edited / "up.log").open("wb") as log:
        started = subprocess.Popen(
            ["bash", "-c", MAKE + START],
            cwd=edited,
            env=os.environ | {"ROUTER": str(router_kinds()[0])},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        eventually(lambda: ready(f"http://localhost:{port}"), "make up answers", within=240)
        yield f"http://localhost:{port}"
    finally:
        os.killpg(started.pid, signal.SIGINT)
        started.wait(60)


def test_answers_are_those_of_the_page(edited: Path, url: str) -> None:
    script = (SIGN_UP + TWEET + PATIENTLY).replace("http://localhost:4000", url)
    answers = filter(None, run(edited, script).splitlines())  # some bodies end with a line
    shown = re.findall(r"^```json\n(.*?)```$", (ROOT / PAGE).read_text(), re.DOTALL | re.MULTILINE)
    assert [*map(json.loads, answers)] == [*map(json.loads, shown[-1].splitlines())]


def test_last_commands_find_no_problem(edited: Path) -> None:
    """Without the tests that `make check` runs, which take minutes (test_fork.py)."""
    assert CHECK.endswith("make check\n")
    run(
        edited, CHECK.removesuffix("\n") + ' PARTS="format lint types layers declaration generated"'
    )
