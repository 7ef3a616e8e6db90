"""The content of spans, and that none are made while tracing is off."""

import subprocess
import sys

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from chassis.topology import declared
from chassis.tracing import span, traceparent

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = PARENT[:-1] + "0"


class TestOff:
    def test_span_does_nothing(self) -> None:
        with span("work", parent=PARENT) as work:
            work.set("key", 1)
            assert traceparent() is None
        assert span("work") is span("other", parent=PARENT)

    def test_no_service_imports_the_sdk(self) -> None:
        # redis-py imports OpenTelemetry's metrics wherever they are installed.
        program = (
            "import importlib, sys\n"
            "from chassis.tracing import configure_tracing\n"
            "configure_tracing('tests', '')\n"
            "for module in sys.argv[1:]:\n"
            "    importlib.import_module(module)\n"
            "    if {'opentelemetry.sdk.trace', 'opentelemetry.exporter'} & sys.modules.keys():\n"
            "        sys.exit(module)\n"
        )
        modules = [f"{service.module}.app" for service in declared().subgraphs]
        done = subprocess.run(
            [sys.executable, "-c", program, *modules], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


class TestOn:
    def test_span_continues_the_trace_of_its_parent(self, exporter: InMemorySpanExporter) -> None:
        with span("outer", parent=PARENT), span("inner"):
            inside = traceparent()
        inner, outer = exporter.get_finished_spans()
        assert outer.context
        assert inner.context
        assert outer.parent
        assert inner.parent
        assert f"{outer.context.trace_id:032x}" in PARENT
        assert f"{outer.parent.span_id:016x}" in PARENT
        assert inner.parent.span_id == outer.context.span_id
        assert inside == f"{PARENT[:36]}{inner.context.span_id:016x}-01"

    @pytest.mark.parametrize("parent", [None, UNSAMPLED, "nonsense"])
    def test_without_a_sampled_parent_there_is_no_span(
        self, exporter: InMemorySpanExporter, parent: str | None
    ) -> None:
        with span("work", parent=parent):
            pass
        assert exporter.get_finished_spans() == ()

    def test_failed_span_has_only_the_class_of_the_error(
        self, exporter: InMemorySpanExporter
    ) -> None:
        with pytest.raises(ValueError, match=r"ada@example\.com"), span("work", parent=PARENT):
            raise ValueError("ada@example.com")
        (failed,) = exporter.get_finished_spans()
        assert failed.status.status_code is StatusCode.ERROR
        assert "example" not in failed.to_json()  # "ada" may well be in an id
        assert dict(failed.attributes or {}) == {"error.type": "ValueError"}
