"""The prober's metrics for Prometheus."""

from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from deploy.prober.round import Step, steps

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)


class ProberMetrics:
    def __init__(self, services: Collection[str]) -> None:
        """`services` are those of the probed system; the steps follow from them."""
        self.registry = CollectorRegistry()
        self._steps = Counter(
            "chirp_probe_steps_total",
            "Steps of the prober by result: ok or failed.",
            ("step", "result"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "chirp_probe_step_seconds",
            "Duration of the prober's steps that succeeded.",
            ("step",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._success = Gauge(
            "chirp_probe_last_success_timestamp_seconds",
            "When the last round without a failure ended.",
            registry=self.registry,
        )
        for step in steps(services):
            self._steps.labels(step, "ok")
            self._steps.labels(step, "failed")
            self._seconds.labels(step)

    def record_step(self, step: Step) -> None:
        self._steps.labels(step.name, "failed" if step.problem else "ok").inc()
        if step.problem is None:
            self._seconds.labels(step.name).observe(step.seconds)

    def record_success(self) -> None:
        self._success.set_to_current_time()
