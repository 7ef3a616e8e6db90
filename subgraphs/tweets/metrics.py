"""The metrics of subscriptions: how many are open, and how late they get items."""

from collections.abc import Callable
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Gauge, Histogram

from chassis.graphql.streaming import Streams
from subgraphs.tweets.subscriptions import Subscriptions

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)


def count_subscriptions(
    registry: CollectorRegistry, streams: Streams, subscriptions: Subscriptions
) -> None:
    """Export the numbers of open connections and subscriptions."""
    connections = Gauge(
        "chirp_subscription_connections",
        "Connections that carry subscriptions, by transport; a WebSocket carries several.",
        ("transport",),
        registry=registry,
    )

    def count(transport: str) -> Callable[[], float]:
        return lambda: float(streams.open[transport])

    for transport in streams.TRANSPORTS:
        connections.labels(transport).set_function(count(transport))
    opened = Gauge("chirp_subscriptions", "Open subscriptions to feeds.", registry=registry)
    opened.set_function(lambda: float(len(subscriptions)))


def feed_delay(registry: CollectorRegistry) -> Callable[[datetime], None]:
    """Return the callback that records the delay of an event from its time."""
    delay = Histogram(
        "chirp_feed_delay_seconds",
        "From an event to its broadcast to the subscriptions of a process.",
        buckets=_BUCKETS,
        registry=registry,
    )
    return lambda time: delay.observe((datetime.now(UTC) - time).total_seconds())
