"""Fixtures of several folders."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from chassis.tracing import configure_tracing, end_tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


@pytest.fixture
def exporter() -> "Iterator[InMemorySpanExporter]":
    """Turn tracing on; the exporter keeps the spans."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    configure_tracing("tests", "", SimpleSpanProcessor(exporter))
    yield exporter
    end_tracing()
