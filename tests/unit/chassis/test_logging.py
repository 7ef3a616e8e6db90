"""One log line for each request, with its request id and trace id."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chassis.logging import RequestLog, configure_logging, trace_id
from chassis.settings import Stage

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = TRACEPARENT[3:35]


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    output = io.StringIO()
    yield output
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


async def ask(path: str, **headers: str) -> None:
    async def answer(_: Request) -> Response:
        logging.getLogger("library").warning("from the standard library")
        return JSONResponse({})

    app = RequestLog(Starlette(routes=[Route("/{path:path}", answer)]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        await client.get(path, headers=headers)


def lines(output: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


class TestRequestLog:
    async def test_every_line_of_a_request_has_its_ids(self, output: io.StringIO) -> None:
        configure_logging("tweets", Stage.PRODUCTION, output)
        await ask("/graphql?secret", **{"x-request-id": "r1", "traceparent": TRACEPARENT})
        written = [
            line for line in lines(output) if line.get("path") or line["logger"] == "library"
        ]
        assert len(written) == 2
        for line in written:
            assert (line["service"], line["request_id"], line["trace_id"]) == (
                "tweets",
                "r1",
                TRACE,
            )
        assert "secret" not in output.getvalue()

    async def test_invalid_traceparent_adds_no_trace_id(self, output: io.StringIO) -> None:
        configure_logging("tweets", Stage.PRODUCTION, output)
        await ask("/graphql", traceparent="nonsense")
        assert "trace_id" not in output.getvalue()

    @pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
    async def test_probes_and_scrapes_are_not_logged(self, output: io.StringIO, path: str) -> None:
        configure_logging("tweets", Stage.PRODUCTION, output)
        await ask(path)
        assert '"request"' not in output.getvalue()

    async def test_requests_that_a_service_sends_are_not_logged(self, output: io.StringIO) -> None:
        configure_logging("tweets", Stage.PRODUCTION, output)
        await ask("/graphql")
        assert "HTTP Request" not in output.getvalue()

    async def test_development_log_is_readable_text(self, output: io.StringIO) -> None:
        configure_logging("tweets", Stage.DEVELOPMENT, output)
        await ask("/graphql", **{"x-request-id": "r1", "traceparent": TRACEPARENT})
        (line,) = [
            line
            for line in output.getvalue().splitlines()
            if "request_id" in line and "path=" in line
        ]
        assert f"trace_id={TRACE}" in line
        assert "path=/graphql" in line


class TestTraceId:
    def test_invalid_traceparent_has_no_trace_id(self) -> None:
        assert trace_id(None) is trace_id("") is trace_id(TRACEPARENT[:-3]) is None

    def test_trace_id_is_read(self) -> None:
        assert trace_id(TRACEPARENT) == TRACE
