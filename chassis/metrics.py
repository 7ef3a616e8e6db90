"""The metrics of every service, for Prometheus.

Label values are known to the code: root fields of the schema, error codes, names of streams and
groups. No value that a client chooses becomes a label.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import lru_cache
from time import perf_counter

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.backfill import Backfill
from chassis.background import running
from chassis.database import Database
from chassis.outbox import OutboxRelay

PATH = "/metrics"

_OPERATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_DELAY_BUCKETS = (0.01, 0.05, 0.25, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0)
_LAG_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.0)
_TICK = 0.5  # seconds between two measurements of the event loop
_SAMPLE_TIMEOUT = 2.0  # seconds
_log = structlog.get_logger("chassis.metrics")


class Metrics:
    """The metrics of one application, in a separate registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._samples: list[Callable[[], Awaitable[None]]] = []
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        operations = Histogram(
            "chirp_graphql_operation_seconds",
            "Time of GraphQL operations by root field and result.",
            ("operation", "result"),
            buckets=_OPERATION_BUCKETS,
            registry=self.registry,
        )
        # Looking up a pair of labels in the histogram takes a lock (docs/performance.md).
        self._operation = lru_cache(operations.labels)
        self._loop_lag = Histogram(
            "chirp_event_loop_lag_seconds",
            "Delay of callbacks in the event loop.",
            buckets=_LAG_BUCKETS,
            registry=self.registry,
        )

    # -- recorded when it happens ------------------------------------------------------------------

    def operation(self, name: str, result: str, seconds: float) -> None:
        """Record a GraphQL operation: its root field, its result and its duration."""
        self._operation(name, result).observe(seconds)

    def events_of(
        self, group: str, streams: Sequence[str]
    ) -> Callable[[str, datetime | None, str], None]:
        """Return the function that records the stream, the time and the result of an event."""
        handled = Counter(
            "chirp_events_total",
            "Events that a consumer group has processed, by result: handled or rejected.",
            ("group", "stream", "result"),
            registry=self.registry,
        )
        delay = Histogram(
            "chirp_event_delay_seconds",
            "Time from an event to the end of its handling.",
            ("group", "stream"),
            buckets=_DELAY_BUCKETS,
            registry=self.registry,
        )
        for stream in streams:
            handled.labels(group, stream, "handled")
            handled.labels(group, stream, "rejected")
            delay.labels(group, stream)

        def record(stream: str, time: datetime | None, result: str) -> None:
            handled.labels(group, stream, result).inc()
            if time:
                delay.labels(group, stream).observe((datetime.now(UTC) - time).total_seconds())

        return record

    # -- sampled at each scrape --------------------------------------------------------------------

    def sample(self, take: Callable[[], Awaitable[None]]) -> None:
        """Call `take` before each answer to Prometheus; it sets gauges."""
        self._samples.append(take)

    def database(self, database: Database) -> None:
        """Measure the connection pool."""
        connections = Gauge(
            "chirp_database_connections",
            "Connections to PostgreSQL: in use, open, and at most.",
            ("state",),
            registry=self.registry,
        )

        def count(index: int) -> Callable[[], float]:
            return lambda: float(database.connections[index])

        for index, state in enumerate(("used", "open", "limit")):
            connections.labels(state).set_function(count(index))

    def outbox(self, relay: OutboxRelay) -> None:
        """Measure the outbox and the lag of its consumer groups.

        All replicas of a service report the same numbers: aggregate with max, not sum.
        """
        events = Gauge(
            "chirp_outbox_events",
            "Events that some consumer group has not acknowledged yet.",
            ("stream",),
            registry=self.registry,
        )
        unpublished = Gauge(
            "chirp_outbox_unpublished_events",
            "Events that are not in the stream yet.",
            ("stream",),
            registry=self.registry,
        )
        age = Gauge(
            "chirp_outbox_oldest_unpublished_seconds",
            "Age of the oldest event that is not in the stream yet.",
            ("stream",),
            registry=self.registry,
        )
        lag = Gauge(
            "chirp_stream_lag_events",
            "Published events that a consumer group has not acknowledged yet.",
            ("stream", "group"),
            registry=self.registry,
        )

        undeclared = Gauge(
            "chirp_stream_undeclared_group_events",
            "Published events that wait for a consumer group which no service declares.",
            ("stream", "group"),
            registry=self.registry,
        )

        async def take() -> None:
            backlog = await relay.backlog()
            events.labels(relay.stream).set(backlog.events)
            unpublished.labels(relay.stream).set(backlog.unpublished)
            age.labels(relay.stream).set(backlog.oldest_unpublished)
            lag.clear()
            for group, count in backlog.lags.items():
                lag.labels(relay.stream, group).set(count)
            undeclared.clear()
            for group in backlog.undeclared:
                undeclared.labels(relay.stream, group).set(backlog.lags[group])

        self.sample(take)

    def backfill(self, backfill: Backfill) -> None:
        """Measure the progress of a backfill.

        All replicas of a service report the same numbers: aggregate with max, not sum.
        """
        finished = Gauge(
            "chirp_backfill_finished",
            "1 once all of an owner's state has been applied, else 0.",
            ("owner",),
            registry=self.registry,
        )
        events = Gauge(
            "chirp_backfill_events",
            "Events of an owner's state that have been applied.",
            ("owner",),
            registry=self.registry,
        )

        async def take() -> None:
            for owner in backfill.owners:
                progress = await backfill.progress(owner)
                finished.labels(owner).set(progress.finished)
                events.labels(owner).set(progress.events)

        self.sample(take)

    @asynccontextmanager
    async def watching_event_loop(self) -> AsyncIterator[None]:
        """Measure the lag of the event loop while the block runs."""
        async with running(self._watch_event_loop()):
            yield

    async def _watch_event_loop(self) -> None:
        while True:
            due = perf_counter() + _TICK
            await asyncio.sleep(_TICK)
            self._loop_lag.observe(max(0.0, perf_counter() - due))

    # -- exposition --------------------------------------------------------------------------------

    async def text(self) -> bytes:
        """Return all metrics in the text format. A gauge that cannot be sampled keeps its value."""
        await asyncio.gather(*map(_sample, self._samples))
        return generate_latest(self.registry)

    def route(self) -> Route:
        """Return the route `/metrics`, on the service's own port: the edge has no route to it."""

        async def answer(_: Request) -> Response:
            return Response(await self.text(), headers={"content-type": CONTENT_TYPE_LATEST})

        return Route(PATH, answer)


async def _sample(take: Callable[[], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout(_SAMPLE_TIMEOUT):
            await take()
    except Exception as error:
        # The other metrics are still exported; an outage of the database is reported elsewhere.
        _log.info("metric not sampled", reason=repr(error))
