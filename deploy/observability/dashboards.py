"""Writes Grafana's dashboards: `python -m deploy.observability.dashboards`."""

import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "grafana" / "dashboards"
_SOURCE = {"type": "prometheus", "uid": "prometheus"}
_WIDTH, _HEIGHT = 12, 8


@dataclass(frozen=True)
class Panel:
    title: str
    unit: str
    queries: dict[str, str]
    """PromQL by its legend."""
    stacked: bool = False


def _quantile(quantile: float, metric: str, by: str = "service") -> str:
    buckets = f"sum by ({by}, le) (rate({metric}_bucket[$__rate_interval]))"
    return f"histogram_quantile({quantile}, {buckets})"


def _rate(metric: str, by: str, **labels: str) -> str:
    chosen = ",".join(f'{name}="{value}"' for name, value in labels.items())
    selector = f"{metric}{{{chosen}}}" if chosen else metric
    return f"sum by ({by}) (rate({selector}[$__rate_interval]))"


_OPERATION = "chirp_graphql_operation_seconds"
_FAILED = f'{_OPERATION}_count{{result=~"INTERNAL_SERVER_ERROR|SERVICE_UNAVAILABLE"}}'
_COMPLETION = "chirp_completion_seconds"

DASHBOARDS = {
    "overview": [
        Panel("Operations", "reqps", {"{{service}}": _rate(f"{_OPERATION}_count", "service")}),
        Panel(
            "Operations that failed",
            "reqps",
            {
                "{{service}} {{operation}}": (
                    f"sum by (service, operation) (rate({_FAILED}[$__rate_interval]))"
                )
            },
        ),
        Panel(
            "Time of operations",
            "s",
            {
                "{{service}} p50": _quantile(0.5, _OPERATION),
                "{{service}} p99": _quantile(0.99, _OPERATION),
            },
        ),
        Panel(
            "Slowest operations (p95)",
            "s",
            {
                "{{service}} {{operation}}": "topk(8, "
                + _quantile(0.95, _OPERATION, "service, operation")
                + ")"
            },
        ),
        Panel(
            "The prober's steps that failed",
            "short",
            {
                "{{step}}": "sum by (step) "
                '(increase(chirp_probe_steps_total{result="failed"}[$__rate_interval]))'
            },
        ),
        Panel(
            "The prober's steps (p50)",
            "s",
            {"{{step}}": _quantile(0.5, "chirp_probe_step_seconds", "step")},
        ),
        Panel(
            "Event loop lag (p90)",
            "s",
            {"{{service}}": _quantile(0.9, "chirp_event_loop_lag_seconds")},
        ),
        Panel(
            "Connections to PostgreSQL in use",
            "percentunit",
            {
                "{{instance}}": 'chirp_database_connections{state="used"} '
                '/ on (service, instance) chirp_database_connections{state="limit"}'
            },
        ),
        Panel("Processor", "short", {"{{instance}}": "rate(process_cpu_seconds_total[5m])"}),
        Panel("Memory", "bytes", {"{{instance}}": "process_resident_memory_bytes"}),
    ],
    "authorisation": [
        Panel(
            "Answers to the edge",
            "reqps",
            {"{{answer}}": _rate("chirp_authorizations_total", "answer")},
            stacked=True,
        ),
        Panel(
            "Valid tokens answered from memory",
            "percentunit",
            {
                "from memory": "1 - sum(rate(chirp_token_verifications_total[$__rate_interval])) "
                '/ sum(rate(chirp_authorizations_total{answer="accepted"}[$__rate_interval]))'
            },
        ),
        Panel(
            "Sign-ins by result",
            "reqps",
            {"{{result}}": _rate(f"{_OPERATION}_count", "result", operation="signIn")},
            stacked=True,
        ),
        Panel(
            "Sign-ups by result",
            "reqps",
            {"{{result}}": _rate(f"{_OPERATION}_count", "result", operation="signUp")},
            stacked=True,
        ),
        Panel(
            "Exchanges of refresh tokens by result",
            "reqps",
            {"{{result}}": _rate(f"{_OPERATION}_count", "result", operation="refreshSession")},
            stacked=True,
        ),
        Panel(
            "Refused attempts by budget",
            "reqps",
            {"{{budget}}": _rate("chirp_attempts_refused_total", "budget")},
            stacked=True,
        ),
        Panel(
            "Time of sign-ins",
            "s",
            {
                f"p{100 * q:.0f}": f"histogram_quantile({q}, sum by (le) "
                f'(rate({_OPERATION}_bucket{{operation="signIn"}}[$__rate_interval])))'
                for q in (0.5, 0.95, 0.99)
            },
        ),
    ],
    "feed": [
        Panel(
            "Connections with subscriptions",
            "short",
            {"{{transport}}": "sum by (transport) (chirp_subscription_connections)"},
            stacked=True,
        ),
        Panel(
            "Open subscriptions",
            "short",
            {"{{instance}}": "sum by (instance) (chirp_subscriptions)"},
            stacked=True,
        ),
        Panel(
            "Delay from an event to its subscribers",
            "s",
            {
                f"p{100 * q:.0f}": f"histogram_quantile({q}, sum by (le) "
                "(rate(chirp_feed_delay_seconds_bucket[$__rate_interval])))"
                for q in (0.5, 0.95, 0.99)
            },
        ),
        Panel(
            "Events delivered to subscribers",
            "reqps",
            {"{{instance}}": _rate("chirp_feed_delay_seconds_count", "instance")},
        ),
        Panel(
            "Events that the router completes, by result",
            "reqps",
            {"{{service}} {{result}}": _rate(f"{_COMPLETION}_count", "service, result")},
            stacked=True,
        ),
        Panel(
            "Time of completions",
            "s",
            {
                "{{service}} p50": _quantile(0.5, _COMPLETION),
                "{{service}} p99": _quantile(0.99, _COMPLETION),
                "{{service}} oldest": "max by (service) (chirp_completion_oldest_seconds)",
            },
        ),
    ],
    "events-and-mail": [
        Panel(
            "Age of the oldest unpublished event",
            "s",
            {"{{stream}}": "max by (stream) (chirp_outbox_oldest_unpublished_seconds)"},
        ),
        Panel(
            "Events in the outbox",
            "short",
            {
                "{{stream}}": "max by (stream) (chirp_outbox_events)",
                "{{stream}} unpublished": "max by (stream) (chirp_outbox_unpublished_events)",
            },
        ),
        Panel(
            "Consumer lag",
            "short",
            {
                "{{group}} of {{stream}}": "max by (stream, group) (chirp_stream_lag_events)",
            },
        ),
        Panel(
            "Delay from an event to its handling (p95)",
            "s",
            {
                "{{group}} of {{stream}}": _quantile(
                    0.95, "chirp_event_delay_seconds", "group, stream"
                )
            },
        ),
        Panel(
            "Events by result",
            "short",
            {"{{group}} {{result}}": _rate("chirp_events_total", "group, result")},
        ),
        Panel(
            "Mails by result",
            "short",
            {"{{result}}": _rate("chirp_mails_total", "result")},
            stacked=True,
        ),
        Panel(
            "Late mail",
            "s",
            {
                "overdue": "max(chirp_mail_overdue_seconds)",
                "without an address": "max(chirp_mail_without_address_seconds)",
            },
        ),
    ],
}


def dashboard(name: str) -> str:
    """Return the JSON of a dashboard for Grafana's provisioning."""
    panels = [_panel(number, panel) for number, panel in enumerate(DASHBOARDS[name])]
    return (
        json.dumps(
            {
                "uid": f"chirp-{name}",
                "title": f"Chirp: {name.replace('-', ' ')}",
                "tags": ["chirp"],
                "timezone": "browser",
                "schemaVersion": 39,
                "refresh": "30s",
                "time": {"from": "now-1h", "to": "now"},
                "panels": panels,
            },
            indent=2,
        )
        + "\n"
    )


def _panel(number: int, panel: Panel) -> dict[str, object]:
    row, column = divmod(number, 2)
    stacking = {"mode": "normal"} if panel.stacked else {"mode": "none"}
    custom = {"fillOpacity": 20 if panel.stacked else 0, "stacking": stacking}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": {"h": _HEIGHT, "w": _WIDTH, "x": column * _WIDTH, "y": row * _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "custom": custom}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "expr": query,
                "legendFormat": legend,
            }
            for index, (legend, query) in enumerate(panel.queries.items())
        ],
    }


if __name__ == "__main__":
    for each in DASHBOARDS:
        (FOLDER / f"{each}.json").write_text(dashboard(each))
