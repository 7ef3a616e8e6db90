"""Structured logs: readable lines in development, one JSON object per line elsewhere."""

import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, TextIO

import orjson
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.tracebacks import ExceptionDictTransformer

from chassis.settings import Stage

Line = structlog.typing.EventDict

_NOT_LOGGED = frozenset({"/livez", "/readyz", "/metrics"})
_bound: ContextVar[Mapping[str, str]] = ContextVar("bound", default={})  # noqa: B039  (read only)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\b")


def configure_logging(service: str, stage: Stage, output: TextIO | None = None) -> None:
    """Send the records of structlog and the standard library to `output`, by default stdout.

    Tracebacks have no local variables, which may hold passwords and tokens.
    """
    output = output or sys.stdout
    development = stage is Stage.DEVELOPMENT
    stamped = _Stamped({} if development else {"service": service})
    renderer: list[structlog.typing.Processor] = (
        [
            structlog.dev.ConsoleRenderer(
                colors=output.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
        if development
        else [
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            _as_json,
        ]
    )
    # Not through the standard library, which costs five times as much (docs/performance.md).
    structlog.configure(
        processors=[stamped, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda name="": _Lines(output, name),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[stamped],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # `databases` logs every statement with its arguments, which include addresses and hashes.
    logging.getLogger("databases").setLevel(logging.WARNING)
    # httpx logs each request, which each event of a subscription may be.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # uvicorn logs each WebSocket with its query string.
    logging.getLogger("uvicorn.error").addFilter(lambda line: '"WebSocket %s"' not in str(line.msg))


@contextmanager
def bound(**fields: str) -> Iterator[None]:
    """Add these fields to every line that is logged inside the block."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


class _Stamped:
    """Adds the common fields to a line. One processor, because each one takes time per line."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields

    def __call__(self, logger: Any, level: str, event: Line) -> Line:
        return {
            **self._fields,
            **_bound.get(),
            **event,
            "level": level,
            # A line of the standard library has a record instead of a logger.
            "logger": event["_record"].name if "_record" in event else logger.name,
            "timestamp": datetime.now(UTC).isoformat()[: -len("+00:00")] + "Z",
        }


def _as_json(_: object, __: str, event: Line) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class _Lines:
    """Writes the lines of the logger `name`."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self.name = name

    def info(self, line: str) -> None:
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # The log is closed, which must not fail the work that is logged.

    # The level is in the line already.
    debug = warning = error = critical = exception = info


def trace_id(traceparent: str | None) -> str | None:
    """Return the trace id of a W3C `traceparent`, or None if it is missing or malformed."""
    match = _TRACEPARENT.match(traceparent or "")
    return match[1] if match else None


class RequestLog:
    """ASGI middleware: logs one line per request, with its id and without its query string.

    A query string may hold a GraphQL document and its variables.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # Bound once: a logger that is not bound is bound anew for each line.
        self._log = structlog.get_logger("chassis.requests").bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _NOT_LOGGED:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        ids = {"request_id": headers.get(b"x-request-id", b"").decode("latin-1")}
        if trace := trace_id(headers.get(b"traceparent", b"").decode("latin-1")):
            ids["trace_id"] = trace
        status = 500
        started = perf_counter()

        async def record_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with bound(**ids):
            try:
                await self._app(scope, receive, record_status)
            finally:
                self._log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    milliseconds=round((perf_counter() - started) * 1000, 2),
                )
