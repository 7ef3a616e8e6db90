"""Metrics of operations, events and samples; no client chooses a label."""

from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import pytest
import strawberry
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.routing import Route

from chassis.errors import Forbidden
from chassis.graphql.context import RequestContext
from chassis.graphql.result_errors import Error, ErrorAsData
from chassis.graphql.schema import build_schema
from chassis.graphql.view import GraphQLView
from chassis.metrics import Metrics


class Gone(Exception):
    pass


@strawberry.type
class GoneError(Error):
    pass


@strawberry.type
class Thing:
    name: str = "thing"


@strawberry.type
class Query:
    @strawberry.field
    def thing(self) -> Thing | GoneError:
        return Thing()

    @strawberry.field
    def gone(self) -> Thing | GoneError:
        raise Gone

    @strawberry.field
    def forbidden(self) -> str | None:
        raise Forbidden

    @strawberry.field
    def broken(self) -> str | None:
        raise ZeroDivisionError


HANDLERS = [ErrorAsData(Gone, GoneError, lambda _: GoneError(message="It is gone."))]


@dataclass
class World:
    metrics: Metrics
    client: httpx.AsyncClient

    async def ask(self, query: str, name: str | None = None) -> None:
        await self.client.post("/graphql", json={"query": query, "operationName": name})

    async def counts(self) -> dict[tuple[str, str], float]:
        """Return how often each operation had each result, as Prometheus reads it."""
        text = (await self.client.get("/metrics")).text
        return {
            (sample.labels["operation"], sample.labels["result"]): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "chirp_graphql_operation_seconds_count"
        }


@pytest.fixture
def world() -> World:
    metrics = Metrics()
    view = GraphQLView(
        build_schema(query=Query, exception_handlers=HANDLERS),
        lambda request: RequestContext(**RequestContext.caller(request)),
        metrics.operation,
    )
    app = Starlette(routes=[Route("/graphql", view), metrics.route()])
    return World(
        metrics, httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x")
    )


class TestOperation:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("{ thing { __typename } }", ("thing", "ok")),
            ("{ gone { __typename } }", ("gone", "GoneError")),
            ("{ forbidden }", ("forbidden", "FORBIDDEN")),
            ("{ broken }", ("broken", "INTERNAL_SERVER_ERROR")),
            ("{ __typename }", ("__typename", "ok")),
            ("query mine { a: thing { __typename } }", ("thing", "ok")),
            (
                "{ ...f __typename } fragment f on Query { ... { forbidden } }",
                ("forbidden", "FORBIDDEN"),
            ),
            ("{ thing { __typename } forbidden }", ("several", "FORBIDDEN")),
        ],
    )
    async def test_operation_has_the_name_of_its_root_field(
        self, world: World, query: str, expected: tuple[str, str]
    ) -> None:
        await world.ask(query)
        assert await world.counts() == {expected: 1.0}

    async def test_named_operation_has_the_name_of_its_own_root_field(self, world: World) -> None:
        await world.ask("query a { forbidden } query b { thing { __typename } }", "b")
        assert await world.counts() == {("thing", "ok"): 1.0}

    @pytest.mark.parametrize(
        ("query", "result"),
        [
            ("{ invented }", "GRAPHQL_VALIDATION_FAILED"),
            ("{", "GRAPHQL_PARSE_FAILED"),
            ("query invented { thing { invented } }", "GRAPHQL_VALIDATION_FAILED"),
        ],
    )
    async def test_invalid_operation_is_unknown(
        self, world: World, query: str, result: str
    ) -> None:
        await world.ask(query)
        assert await world.counts() == {("unknown", result): 1.0}

    async def test_each_application_has_its_own_registry(self, world: World) -> None:
        await world.ask("{ thing { __typename } }")
        assert b"GoneError" not in await Metrics().text()
        assert b'operation="thing"' not in await Metrics().text()


class TestConsumer:
    async def test_events_are_counted_and_timed(self) -> None:
        metrics = Metrics()
        record = metrics.events_of("readers", ["events.news"])
        record("events.news", datetime.now(UTC), "handled")
        record("events.news", None, "rejected")
        text = (await metrics.text()).decode()
        labels = '{group="readers",result="%s",stream="events.news"} 1.0'
        for result in ("handled", "rejected"):
            assert "chirp_events_total" + labels % result in text
        assert 'chirp_event_delay_seconds_count{group="readers",stream="events.news"} 1.0' in text


class TestSample:
    async def test_failed_sample_does_not_fail_the_scrape(self) -> None:
        metrics = Metrics()

        async def fail() -> None:
            raise OSError

        metrics.sample(fail)
        assert b"process_cpu_seconds_total" in await metrics.text()
