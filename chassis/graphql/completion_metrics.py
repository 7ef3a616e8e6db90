"""The metrics of completions: events of subscriptions for which the router is asked."""

from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from time import perf_counter

from prometheus_client import CollectorRegistry, Gauge, Histogram

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0)


class CompletionResult(StrEnum):
    """How a completion ended."""

    OK = "ok"
    """Also for an event whose object exists no more."""
    PARTIAL = "partial"
    """Some fields are missing, with errors."""
    LOST = "lost"
    """The whole event is missing, because of errors of subgraphs."""
    REFUSED = "refused"
    """The router refused the query, which ends the operation."""
    FAILED = "failed"
    """The router answered 5xx, or not in time."""
    CANCELLED = "cancelled"
    """The subscription ended meanwhile."""


_FINE = {CompletionResult.OK, CompletionResult.PARTIAL, CompletionResult.CANCELLED}


@dataclass(slots=True, eq=False)
class Measured:
    """A completion under way."""

    result: CompletionResult = CompletionResult.FAILED
    """Stays for an unexpected exception."""
    started: float = field(default_factory=perf_counter)

    @property
    def is_failure(self) -> bool:
        """Whether the subscriber does not get the event."""
        return self.result not in _FINE


class CompletionMetrics:
    """Measures the completions of a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "chirp_completion_seconds",
            "Time in which the router completes an event of a subscription, waits for an absent "
            "router included, by result: ok, partial, lost, refused, failed or cancelled.",
            ("result",),
            buckets=_BUCKETS,
            registry=registry,
        )
        for result in CompletionResult:
            self._seconds.labels(result)
        oldest = Gauge(
            "chirp_completion_oldest_seconds",
            "For how long the oldest event under way has waited for the router; 0 without one.",
            registry=registry,
        )
        oldest.set_function(self._age_of_oldest)
        self._under_way: dict[Measured, None] = {}  # in the order of their starts

    @contextmanager
    def measured(self) -> Iterator[Measured]:
        """Measure a completion, which the block is; it sets the result."""
        completion = Measured()
        self._under_way[completion] = None
        try:
            yield completion
        except CancelledError:
            completion.result = CompletionResult.CANCELLED
            raise
        finally:
            del self._under_way[completion]
            seconds = perf_counter() - completion.started
            self._seconds.labels(completion.result).observe(seconds)

    def _age_of_oldest(self) -> float:
        # Prometheus is answered in the event loop, so that nothing ends meanwhile.
        oldest = next(iter(self._under_way), None)
        return perf_counter() - oldest.started if oldest else 0.0
