"""Runs the tests of graphql-ws and graphql-sse against this package.

    python conformance/upstream.py --graphql-ws DIRECTORY --graphql-sse DIRECTORY

Each DIRECTORY is a checkout of the repository. In a copy, the part of its tests that starts a
server is replaced by `upstream/*.ts`, which uses `audit_server.py`; vitest comes from npm. A test
that passes functions to the original server, or needs what this package does not have, is not
applicable.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import httpx

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from streams_server import free_port  # noqa: E402

NPM = {
    "graphql-ws": ("vitest@2", "jsdom@26", "ws@8", "@types/ws@8", "graphql@16"),
    "graphql-sse": ("vitest@1", "graphql@16", "eventsource@2"),
}


class Suite(NamedTuple):
    """Test files of a repository, what replaces which of its files, and the tests of a mode that
    this package does not have."""

    files: tuple[str, ...]
    replaced: dict[str, str]
    without: str = "^$"


SUITES = {
    "graphql-ws": Suite(
        ("tests/server.test.ts", "tests/client.test.ts"),
        {"tests/utils/tservers.ts": "tservers.ts", "tests/fixtures/simple.ts": "pong.ts"},
    ),
    "graphql-sse": Suite(
        ("tests/handler.test.ts", "tests/client.test.ts"),
        {
            "tests/utils/tfetch.ts": "tfetch.ts",
            "tests/utils/thandler.ts": "thandler.ts",
            "tests/fixtures/simple.ts": "pong.ts",
        },
        without="single connection mode",
    ),
}

BY_DESIGN = {
    "client.test.ts: should close socket with error on malformed request": (
        "a syntax error fails its operation, as other invalid operations do, and not the socket"
    ),
    "client.test.ts: distinct connections mode should not call complete after subscription error": (
        "the protocol wants errors before execution in the stream, a syntax error too"
    ),
    "client.test.ts: event listeners distinct connections mode "
    "should emit connection events when reconnecting": (
        "the test looks when the request has arrived, and this server answers a moment later"
    ),
    "handler.test.ts: distinct connections mode "
    "should report operation validation issues by streaming them": (
        "graphql-core quotes names with ' where graphql-js does with \""
    ),
    "handler.test.ts: distinct connections mode "
    "should complete when stream ends before the subscription sent all events": (
        "the test calls graphql-sse's handler in its own process, where an event waits to be "
        "taken; a closed response over a network takes no more events"
    ),
}
"""Tests that fail, and why this package answers otherwise."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in SUITES:
        parser.add_argument(f"--{name}", dest=name, type=Path, metavar="DIRECTORY")
    parser.add_argument("--tests", default="", help="a pattern of names")
    given = vars(parser.parse_args())
    checkouts = {name: given[name] for name in SUITES if given[name]}
    port = free_port()
    server = subprocess.Popen([sys.executable, HERE / "audit_server.py", str(port)])
    try:
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(transport=httpx.HTTPTransport(retries=8), trust_env=False) as http:
            http.post(f"{url}/pong/started").raise_for_status()
        failed = [
            _run(name, path.resolve(), url, given["tests"]) for name, path in checkouts.items()
        ]
    finally:
        server.terminate()
        server.wait()
    sys.exit(any(failed))


def _run(name: str, checkout: Path, url: str, tests: str) -> bool:
    """Run a suite, print what became of its tests, and return whether one failed."""
    suite = SUITES[name]
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as directory:
        copy = Path(directory)
        for folder in ("src", "tests"):
            shutil.copytree(checkout / folder, copy / folder)
        (copy / "tests/fixtures/simple.ts").rename(copy / "tests/fixtures/simple.original.ts")
        for target, source in suite.replaced.items():
            shutil.copy(HERE / "upstream" / source, copy / target)
        (copy / "package.json").write_text('{"type": "module"}')
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run([*install, *NPM[name]], cwd=copy, check=True)
        vitest = ["npx", "vitest", "run", *suite.files, "--reporter=json", "--outputFile=out.json"]
        # Some tests expect an event within 20 ms, which a busy machine may not give them at once.
        limits = ["--testTimeout=20000", "--retry=3", "--no-file-parallelism", "--maxConcurrency=1"]
        limits += ["--testNamePattern", f"^(?!.*{suite.without}).*({tests})"]
        environment = {**os.environ, "STREAMS_URL": url, "CI": "true"}
        subprocess.run([*vitest, *limits], cwd=copy, env=environment, check=False)
        results = json.loads((copy / "out.json").read_text())["testResults"]
    outcomes: dict[str, list[str]] = {
        each: [] for each in ("passed", "not applicable", "by design", "failed")
    }
    for file in results:
        for test in file["assertionResults"]:
            message = "\n".join(test.get("failureMessages") or [])
            outcome = test["status"]
            if "NOT APPLICABLE" in message or outcome in {"todo", "pending", "skipped"}:
                outcome = "not applicable"
            title = f"{Path(file['name']).name}: {test['fullName'].strip()}"
            if outcome == "failed" and title in BY_DESIGN:
                outcome = "by design"
                title += f": {BY_DESIGN[title]}"
            elif outcome == "failed":
                title += f"\n        {message[:600]}"
            outcomes[outcome].append(title)
    counts = ", ".join(f"{len(tests)} {outcome}" for outcome, tests in outcomes.items())
    print(f"{name}: {counts}")
    for outcome, titles in outcomes.items():
        print("".join(f"    {outcome}: {title}\n" for title in titles), end="")
    return bool(outcomes["failed"]) or not outcomes["passed"]


if __name__ == "__main__":
    main()
