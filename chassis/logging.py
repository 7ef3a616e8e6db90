"""Structured logs: readable lines in development, one JSON object a line elsewhere."""

import logging
import re
import sys
from time import perf_counter
from typing import TextIO

import orjson
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.tracebacks import ExceptionDictTransformer

from chassis.settings import Stage

_UNTOLD = frozenset({"/livez", "/readyz", "/metrics"})
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\b")


def configure_logging(service: str, stage: Stage, output: TextIO | None = None) -> None:
    """Sends structlog's and the standard library's records to `output`, standard output if None.

    Tracebacks are written without local variables: those hold passwords and tokens.
    """
    output = output or sys.stdout
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    development = stage is Stage.DEVELOPMENT
    renderer: list[structlog.typing.Processor] = (
        [
            structlog.dev.ConsoleRenderer(
                colors=output.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
        if development
        else [
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(lambda event, **_: orjson.dumps(event).decode()),
        ]
    )
    # Straight to the stream: by way of the standard library a line costs five times as much.
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda name="": _Lines(output, name),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # `databases` logs every statement with its arguments, addresses and hashes among them.
    logging.getLogger("databases").setLevel(logging.WARNING)
    # uvicorn tells of each WebSocket with its query string.
    logging.getLogger("uvicorn.error").addFilter(lambda line: '"WebSocket %s"' not in str(line.msg))
    if not development:
        structlog.contextvars.bind_contextvars(service=service)


class _Lines:
    """Where structlog hands the lines of the logger with this name."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self.name = name

    def info(self, line: str) -> None:
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # Nobody reads the log any more. What was to be logged must not fail for that.

    debug = warning = error = critical = exception = info


def trace_id(traceparent: str | None) -> str | None:
    """The trace's id in a W3C `traceparent`, None where there is none."""
    match = _TRACEPARENT.match(traceparent or "")
    return match[1] if match else None


class RequestLog:
    """ASGI middleware: one line per request, with its id and without its query string.

    A query string may hold a GraphQL document and its variables, so it is never logged.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._log = structlog.get_logger("chassis.requests").bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _UNTOLD:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        ids = {"request_id": headers.get(b"x-request-id", b"").decode("latin-1")}
        if trace := trace_id(headers.get(b"traceparent", b"").decode("latin-1")):
            ids["trace_id"] = trace
        status = 500
        started = perf_counter()

        async def remember(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        bound = structlog.contextvars.bind_contextvars(**ids)
        try:
            await self._app(scope, receive, remember)
        finally:
            self._log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                milliseconds=round((perf_counter() - started) * 1000, 2),
            )
            structlog.contextvars.reset_contextvars(**bound)
