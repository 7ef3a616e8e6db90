"""Traces by OpenTelemetry: off and free of cost until `configure_tracing` is called.

Span names and attributes contain nothing that a client has sent: no text, no token, no address. Of
an error they contain only the class, because messages quote values.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Value = str | int | float | bool


class Span:
    """A span of a trace. While tracing is off, its methods do nothing."""

    __slots__ = ()

    def rename(self, name: str) -> None: ...

    def set(self, attribute: str, value: Value) -> None: ...

    def fail(self, error_type: str) -> None:
        """Mark the span as failed.

        `error_type` is an error code, a status or the name of an exception class.
        """


class _RealSpan(Span):
    __slots__ = ("_span",)

    def __init__(self, span: "trace.Span") -> None:
        self._span = span

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def set(self, attribute: str, value: Value) -> None:
        self._span.set_attribute(attribute, value)

    def fail(self, error_type: str) -> None:
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("error.type", error_type)
        self._span.set_status(StatusCode.ERROR, error_type)


_OFF = nullcontext(Span())
_provider: "TracerProvider | None" = None
_tracer: "trace.Tracer | None" = None


def configure_tracing(
    service: str, endpoint: str, processor: "SpanProcessor | None" = None
) -> None:
    """Send the spans of this process to an OTLP/HTTP collector at `endpoint` (`http://host:4318`).

    With an empty endpoint and no `processor`, tracing stays off and OpenTelemetry is not imported.
    """
    global _provider, _tracer
    if not endpoint and processor is None:
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

    if processor is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        processor = BatchSpanProcessor(exporter, schedule_delay_millis=1000)
    # ALWAYS_OFF is for spans without a parent: only the edge starts traces.
    _provider = TracerProvider(
        sampler=ParentBased(ALWAYS_OFF), resource=Resource({"service.name": service})
    )
    _provider.add_span_processor(processor)
    _tracer = _provider.get_tracer("chirp")


def end_tracing() -> None:
    """Send the remaining spans and switch tracing off."""
    global _provider, _tracer
    if _provider is not None:
        _provider.shutdown()
    _provider = _tracer = None


def is_on() -> bool:
    return _tracer is not None


def span(
    name: str,
    kind: Kind = "internal",
    *,
    parent: str | None = None,
    attributes: Mapping[str, Value] | None = None,
) -> AbstractContextManager[Span]:
    """Return a context manager for a span in the trace of `parent` (a W3C `traceparent`) or in the
    current trace. Without either there is no span: only the edge starts traces.

    An exception that leaves the block marks the span as failed.
    """
    if _tracer is None or not (parent or traceparent()):
        return _OFF
    return _span(_tracer, name, kind, parent, attributes)


@contextmanager
def _span(
    tracer: "trace.Tracer",
    name: str,
    kind: Kind,
    parent: str | None,
    attributes: Mapping[str, Value] | None,
) -> Iterator[Span]:
    from opentelemetry.trace import SpanKind

    with tracer.start_as_current_span(
        name,
        context=_context(parent) if parent else None,
        kind=SpanKind[kind.upper()],
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        real = _RealSpan(current)
        try:
            yield real
        except Exception as error:
            real.fail(type(error).__name__)
            raise


def traceparent() -> str | None:
    """Return the W3C `traceparent` that continues the current trace, or None without a trace."""
    if _tracer is None:
        return None
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _context(parent: str) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": parent})
