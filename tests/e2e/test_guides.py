"""The recipe from log to trace, run by a shell against a traced stack."""

import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.collector import Collector
from tests.guides import shell
from tests.stack import RunningStack, eventually, router_kinds, started

pytestmark = pytest.mark.needs("tweets")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[RunningStack]:
    folder = tmp_path_factory.mktemp("traced")
    with started(folder, router_kinds()[0], TRACING_ENDPOINT=collector.url) as stack:
        yield stack


def run(stack: RunningStack, script: str) -> str:
    script = script.replace("http://localhost:4000", stack.url)
    script = script.replace(".data/logs/*", str(stack.log))
    command = ["bash", "-c", f"set -euo pipefail\n{script}"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_request_id_leads_to_the_log_and_the_trace(
    stack: RunningStack, collector: Collector
) -> None:
    request, lines, trace, back = shell("docs/guides/tracing.md")
    request_id = run(stack, request + "echo $REQUEST\n").strip()
    assert re.fullmatch(r"[0-9a-f-]{36}", request_id)
    known = f"REQUEST={request_id}\n{lines}"

    def is_logged() -> bool:
        logged = stack.log.read_text().splitlines()
        return any(request_id in line and "trace_id" in line for line in logged)

    eventually(is_logged, "a service logs the request")
    assert request_id in run(stack, f'{known}echo "$LINES"')
    trace_id = run(stack, f"{known}{trace}echo $TRACE\n{back}").splitlines()[0]
    assert re.fullmatch(r"[0-9a-f]{32}", trace_id)
    eventually(
        lambda: {"edge", "tweets"} <= {s.service for s in collector.spans if s.trace == trace_id},
        "the trace has arrived",
    )
