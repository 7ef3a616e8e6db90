"""Alert rules and dashboards query only metrics and labels that services and prober export."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry

from chassis.backfill import Backfill
from chassis.database import Database
from chassis.graphql.completion_metrics import CompletionMetrics
from chassis.graphql.streaming import Streams
from chassis.metrics import Metrics
from chassis.outbox import OutboxRelay
from chassis.principal import Principal
from chassis.streams import connect
from chassis.topology import declared
from chassis.unit_of_work import SqlUnitOfWork
from deploy.observability.dashboards import DASHBOARDS, FOLDER, dashboard
from deploy.prober.metrics import ProberMetrics
from deploy.reference.metrics import sections
from notifier.addresses import AddressDigests
from notifier.metrics import count_mails, watch_deliveries
from notifier.repository import SqlRepositories
from subgraphs.auth.metrics import (
    count_answers,
    count_refused_attempts,
    count_verifications,
    record_readable_keys,
)
from subgraphs.tweets.metrics import count_subscriptions, feed_delay
from subgraphs.tweets.subscriptions import Subscriptions

ROOT = Path(__file__).resolve().parents[2]
OBSERVABILITY = ROOT / "deploy" / "observability"
RULES = sorted((OBSERVABILITY / "rules").glob("*.yml"))
GIVEN_BY_PROMETHEUS = {"up": {"service", "instance"}}
EVERYWHERE = {"service", "instance", "le"}
"""Labels that Prometheus and its configuration add, and the label of a bucket."""


def rules() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in RULES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                yield rule["alert"], rule


def queries() -> Iterator[tuple[str, str]]:
    for name, rule in rules():
        yield name, rule["expr"]
    for file in sorted(FOLDER.glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{file.stem}: {panel['title']}", target["expr"]


def parsed(query: str) -> promql_parser.Expr:
    return promql_parser.parse(query.replace("$__rate_interval", "5m"))


def selectors(expression: Any) -> Iterator[promql_parser.VectorSelector]:
    """Yield every metric selector of an expression."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    for name in ("lhs", "rhs", "expr", "args", "param", "vector_selector", "vs"):
        inner = getattr(expression, name, None)
        for each in inner if isinstance(inner, list) else [inner]:
            if each is not None:
                yield from selectors(each)


def _no_token(_: str) -> Principal:
    raise NotImplementedError


@pytest.fixture(scope="module")
def exported() -> dict[str, set[str]]:
    """Return the labels of every exported series, by its name."""
    metrics = Metrics()
    database = Database("postgresql://nobody@127.0.0.1/nothing")
    metrics.database(database)
    metrics.outbox(OutboxRelay(database, connect("redis://127.0.0.1:1"), "events", groups=()))
    metrics.events_of("group", ["events"])
    metrics.backfill(cast("Backfill", SimpleNamespace(owners=())))
    CompletionMetrics(metrics.registry)
    count_answers(metrics.registry)
    count_verifications(metrics.registry, _no_token)
    count_refused_attempts(metrics.registry)
    record_readable_keys(metrics.registry)
    feed_delay(metrics.registry)
    streams = cast("Streams", SimpleNamespace(TRANSPORTS=Streams.TRANSPORTS, open=Counter()))
    count_subscriptions(metrics.registry, streams, Subscriptions())
    count_mails(metrics.registry)
    repositories = SqlRepositories.using(AddressDigests(["k"]))
    watch_deliveries(metrics, SqlUnitOfWork(database, repositories))
    found: dict[str, set[str]] = dict(GIVEN_BY_PROMETHEUS)
    for registry in (metrics.registry, ProberMetrics(declared().services).registry):
        found |= series(registry)
    return found


def series(registry: CollectorRegistry) -> dict[str, set[str]]:
    found = {}
    for collector in list(registry._collector_to_names):
        labels = set(getattr(collector, "_labelnames", ()))
        for family in collector.collect():
            suffixes = {
                "counter": ["_total"],
                "histogram": ["_bucket", "_count", "_sum"],
            }.get(family.type, [""])
            for suffix in suffixes:
                found[family.name + suffix] = labels
    return found


def test_reference_lists_the_exported_metrics_with_their_labels(
    exported: dict[str, set[str]],
) -> None:
    suffixes = {"histogram": ("_bucket", "_count", "_sum")}
    described = {
        metric.name + suffix: set(metric.labels)
        for _, found in sections(declared())
        for metric in found
        for suffix in suffixes.get(metric.type, ("",))
    }
    prefix = f"{declared().project.name}_"
    ours = {name: labels for name, labels in exported.items() if name.startswith(prefix)}
    assert described == ours


@pytest.mark.parametrize(("name", "query"), list(queries()))
class TestQueries:
    def test_query_parses_and_names_exported_metrics(
        self, exported: dict[str, set[str]], name: str, query: str
    ) -> None:
        asked = list(selectors(parsed(query)))
        assert asked, query
        for selector in asked:
            assert selector.name in exported, selector.name
            for matcher in selector.matchers.matchers:
                assert matcher.name in exported[selector.name] | EVERYWHERE, matcher.name

    def test_query_groups_by_existing_labels(
        self, exported: dict[str, set[str]], name: str, query: str
    ) -> None:
        known = EVERYWHERE.union(
            *(exported[str(selector.name)] for selector in selectors(parsed(query)))
        )
        for labels in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", query):
            assert {label.strip() for label in labels.split(",")} <= known


@pytest.mark.parametrize(("name", "rule"), list(rules()))
def test_alert_has_severity_summary_and_runbook(name: str, rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "runbook"}
    headings = re.findall("^## (.+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    assert name in headings
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"
    for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
        assert re.search(rf"\b{label}\b", rule["expr"]) or rule["expr"].startswith("up"), label


def _rule_tests() -> Iterator[dict[str, Any]]:
    for file in sorted((OBSERVABILITY / "rule-tests").glob("*.yml")):
        for test in yaml.safe_load(file.read_text())["tests"]:
            yield from test["alert_rule_test"]


@pytest.mark.parametrize("name", [name for name, _ in rules()])
def test_alert_has_a_firing_and_a_silent_test(name: str) -> None:
    """`make alerts` runs them."""
    fires = [bool(case["exp_alerts"]) for case in _rule_tests() if case["alertname"] == name]
    assert set(fires) == {True, False}


def test_alert_names_are_unique() -> None:
    names = [name for name, _ in rules()]
    assert len(names) == len(set(names))


def test_dashboards_are_up_to_date() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == set(DASHBOARDS)
    for name in DASHBOARDS:
        assert (FOLDER / f"{name}.json").read_text() == dashboard(name), (
            "Run: python -m deploy.observability.dashboards"
        )
