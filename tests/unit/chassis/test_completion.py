"""The metrics of completions and their spans."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis.graphql.completion_metrics import CompletionMetrics, CompletionResult
from chassis.graphql.router import Answer, RouterFailedError
from graphql_streams import OperationFailed
from tests.unit.chassis.federated import AWAY, CALLER, FakeRouter, results

pytestmark = pytest.mark.usefixtures("no_waits")

FEED = "subscription Feed { mine: items(after: 2) { owner { joined } } }"
"""Has one event."""
DATA = {"mine": {"owner": {"joined": "2026"}}}
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OF_THE_EDGE = [(b"traceparent", PARENT.encode())]

CASES: dict[CompletionResult, list[Answer | Exception]] = {
    CompletionResult.OK: [Answer(True, DATA, [])],
    CompletionResult.PARTIAL: [Answer(True, DATA, [AWAY])],
    CompletionResult.LOST: [Answer(True, {"mine": None}, [AWAY])] * 3,
    CompletionResult.REFUSED: [Answer(False, None, [{"message": "Too many fetches."}])],
    CompletionResult.FAILED: [RouterFailedError("time-out")] * 3,
}
"""What the router answers, by the result."""

BY_RESULT = pytest.mark.parametrize("result", CASES, ids=str)


def counts(router: FakeRouter) -> dict[str, float]:
    """Return the number of completions by their labels' values."""
    return {
        ",".join(sample.labels.values()): sample.value
        for family in router.registry.collect()
        for sample in family.samples
        if sample.name == "chirp_completion_seconds_count"
    }


def oldest(router: FakeRouter) -> float:
    """Return the age in seconds of the oldest completion under way."""
    return router.registry.get_sample_value("chirp_completion_oldest_seconds") or 0.0


class HangingRouter(FakeRouter):
    """Never answers, as one that is away."""

    async def query(self, *_: Any) -> Answer:
        await asyncio.Event().wait()
        raise NotImplementedError


class TestMetrics:
    @BY_RESULT
    async def test_completion_is_counted_by_its_result(
        self, router: FakeRouter, result: CompletionResult
    ) -> None:
        router.answers += CASES[result]
        with suppress(OperationFailed):
            await results(router, FEED)
        assert counts(router) == dict.fromkeys(CompletionResult, 0.0) | {result: 1.0}
        assert oldest(router) == 0

    async def test_event_whose_object_exists_no_more_is_ok(self, router: FakeRouter) -> None:
        router.put({"mine": None})
        assert await results(router, FEED) == []
        assert counts(router)["ok"] == 1

    async def test_local_selection_is_not_counted(self, router: FakeRouter) -> None:
        await results(router, "subscription { items { id } }")
        assert set(counts(router).values()) == {0.0}

    async def test_event_that_waits_for_the_router_has_an_age(self) -> None:
        router = HangingRouter()
        subscribed = asyncio.create_task(results(router, FEED))
        while not oldest(router):
            await asyncio.sleep(0)
        before = oldest(router)
        assert oldest(router) > before
        subscribed.cancel()
        with suppress(asyncio.CancelledError):
            await subscribed
        assert oldest(router) == 0
        assert counts(router)["cancelled"] == 1

    async def test_age_is_that_of_the_event_that_waits_longest(self, router: FakeRouter) -> None:
        metrics = CompletionMetrics(router.registry)
        with metrics.measured():
            with metrics.measured():
                both = oldest(router)
            assert oldest(router) > both


def attributes(found: Mapping[str, Any] | None) -> dict[str, Any]:
    return dict(found or {})


async def span_of_completion(router: FakeRouter, exporter: InMemorySpanExporter) -> ReadableSpan:
    """Complete one event with all data, and return the span of it."""
    router.put(DATA)
    await results(router, FEED, headers=OF_THE_EDGE)
    (span,) = exporter.get_finished_spans()
    return span


class TestSpan:
    async def test_completion_is_a_span_in_the_trace_of_the_connection(
        self, router: FakeRouter, exporter: InMemorySpanExporter
    ) -> None:
        span = await span_of_completion(router, exporter)
        assert span.name == "complete items", "the field's name, not the client's alias"
        assert span.parent
        assert f"{span.parent.span_id:016x}" in PARENT
        assert attributes(span.attributes) == {"graphql.result": "ok"}

    async def test_query_continues_the_trace_below_the_span(
        self, router: FakeRouter, exporter: InMemorySpanExporter
    ) -> None:
        span = await span_of_completion(router, exporter)
        assert span.context
        assert router.asked[0].trace == f"{PARENT[:36]}{span.context.span_id:016x}-01"

    @BY_RESULT
    async def test_span_has_the_result_and_fails_without_the_event(
        self, router: FakeRouter, exporter: InMemorySpanExporter, result: CompletionResult
    ) -> None:
        router.answers += CASES[result]
        with suppress(OperationFailed):
            await results(router, FEED, headers=OF_THE_EDGE)
        (span,) = exporter.get_finished_spans()
        expected = {"graphql.result": result.value}
        if result not in {CompletionResult.OK, CompletionResult.PARTIAL}:
            expected["error.type"] = result.value
        assert attributes(span.attributes) == expected
        assert span.status.is_ok is ("error.type" not in expected)

    async def test_span_names_no_person_and_no_data(
        self, router: FakeRouter, exporter: InMemorySpanExporter
    ) -> None:
        router.put(DATA, {"message": "hunter2"})
        await results(router, FEED, headers=[*OF_THE_EDGE, (b"user-agent", b"hunter2")])
        (span,) = exporter.get_finished_spans()
        for private in ("hunter2", "mine", "joined", str(CALLER.user_id), CALLER.username):
            assert private not in f"{span.name} {span.attributes} {span.events}", private

    async def test_without_a_trace_of_the_connection_there_is_no_span(
        self, router: FakeRouter, exporter: InMemorySpanExporter
    ) -> None:
        router.put(DATA)
        await results(router, FEED)
        assert exporter.get_finished_spans() == ()

    async def test_without_tracing_there_is_no_span(self, router: FakeRouter) -> None:
        router.put(DATA)
        await results(router, FEED, headers=OF_THE_EDGE)
        assert router.asked[0].trace is None
