"""Subscriptions that leave their subgraph: how they are admitted, and how events are completed."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from chassis.graphql.router import Answer
from graphql_streams import BadRequest, Operation, OperationFailed
from tests.unit.chassis.federated import AWAY, CALLER, FakeRouter, federation, operation, results

pytestmark = pytest.mark.usefixtures("no_waits")

FEED = "subscription Feed { items { number owner { joined } } }"


def item(number: int) -> dict[str, Any]:
    return {"items": {"number": number, "owner": {"joined": "2026"}}}


def first_lost(message: str, code: str) -> dict[str, Any]:
    """Return the response that reports the loss of the first event."""
    extensions = {"code": code, "event": {"id": "1"}}
    error = {"message": message, "path": ["items"], "extensions": extensions}
    return {"data": None, "errors": [error]}


async def codes(router: FakeRouter, query: str, **variables: Any) -> list[tuple[str, str]]:
    """Return code and message of each error for which an operation is refused."""
    with pytest.raises((OperationFailed, BadRequest)) as refused:
        await results(router, query, **variables)
    return [(e["extensions"]["code"], e["message"]) for e in refused.value.formatted]


class TestLocalSelection:
    async def test_router_is_not_asked(self, router: FakeRouter) -> None:
        found = await results(router, "subscription { items { id text owner { name } } }")
        assert [result["data"] for result in found] == [
            {"items": {"id": f"{n}", "text": f"text {n}", "owner": {"name": "ada"}}}
            for n in (1, 2, 3)
        ]
        assert router.asked == []

    async def test_local_selection_is_executed_without_a_completion(
        self, router: FakeRouter
    ) -> None:
        """So an event costs nothing more."""
        completions: list[object] = []

        async def local(_: Operation, completion: object = None) -> AsyncGenerator[bytes, None]:
            completions.append(completion)
            yield b"{}"

        subscribe = federation(router).subscribe(local)
        for query in ("subscription { items { id } }", FEED):
            _ = [response async for response in subscribe(operation(query))]
        assert completions[0] is None
        assert completions[1] is not None


class TestForeignSelection:
    async def test_each_event_is_completed_in_order(self, router: FakeRouter) -> None:
        for number in (1, 2, 3):
            router.put(item(number))
        found = await results(router, FEED)
        assert found == [{"data": item(n)} for n in (1, 2, 3)]
        assert [asked.variables for asked in router.asked] == [{"id": f"{n}"} for n in (1, 2, 3)]
        assert {asked.text for asked in router.asked} == {router.asked[0].text}

    async def test_router_gets_the_clients_variables_caller_and_headers(
        self, router: FakeRouter
    ) -> None:
        router.put(item(3))
        query = (
            "subscription Feed($after: ID, $upper: Boolean!) "
            "{ items(after: $after) { text(upper: $upper) owner { joined } } }"
        )
        headers = [(b"x-request-id", b"r")]
        await results(router, query, "Feed", headers, after="2", upper=True)
        [asked] = router.asked
        assert asked.variables == {"upper": True, "id": "3"}
        assert (asked.operation_name, asked.caller) == ("Feed", CALLER)
        assert asked.headers == headers

    async def test_object_that_exists_no_more_is_skipped(self, router: FakeRouter) -> None:
        router.put(item(1))
        router.put({"items": None})
        router.put(item(3))
        assert [result["data"] for result in await results(router, FEED)] == [item(1), item(3)]

    async def test_errors_of_other_subgraphs_are_beside_the_data(self, router: FakeRouter) -> None:
        path = ["items", "owner", "mail"]
        data = {"items": {"owner": {"mail": None}}}
        router.put(data, {**AWAY, "path": path, "locations": [{"line": 1, "column": 1}]})
        router.put(item(2))
        router.put(item(3))
        query = "subscription { items { owner { mail { isOn } } } }"
        first, second, _ = await results(router, query)
        assert first == {
            "data": data,
            "errors": [
                {
                    "message": "HTTP fetch failed",
                    "path": path,
                    "extensions": {"code": "SUBREQUEST_HTTP_ERROR"},
                }
            ],
        }
        assert second == {"data": item(2)}

    async def test_error_without_a_path_gets_that_of_the_field(self, router: FakeRouter) -> None:
        router.put({"feed": {"owner": {"mail": None}}}, AWAY)
        router.put({"feed": None})
        router.put({"feed": None})
        query = "subscription { feed: items { owner { mail { isOn } } } }"
        [result] = await results(router, query)
        assert result["errors"][0]["path"] == ["feed"]

    async def test_event_lost_to_an_outage_is_tried_again(self, router: FakeRouter) -> None:
        router.put({"items": None}, AWAY)
        router.put(None, AWAY)
        for number in (1, 2, 3):
            router.put(item(number))
        assert [result["data"] for result in await results(router, FEED)] == [
            item(n) for n in (1, 2, 3)
        ]

    async def test_lost_event_is_reported_with_its_arguments_and_the_stream_goes_on(
        self, router: FakeRouter
    ) -> None:
        for _ in range(3):
            router.put({"items": None}, AWAY)
        router.put(item(2))
        router.put(item(3))
        first, *others = await results(router, FEED)
        assert first == first_lost("HTTP fetch failed", "SUBREQUEST_HTTP_ERROR")
        assert [result["data"] for result in others] == [item(2), item(3)]

    async def test_lost_event_of_a_nullable_field_has_null_as_data(
        self, router: FakeRouter
    ) -> None:
        forbidden = {"message": "no", "path": ["maybe"], "extensions": {"code": "FORBIDDEN"}}
        router.put({"maybe": None}, forbidden)
        [result] = await results(router, "subscription { maybe { owner { joined } } }")
        assert result["data"] == {"maybe": None}
        assert len(router.asked) == 1, "an error that is no outage is final"

    async def test_router_that_fails_is_tried_again(self, router: FakeRouter) -> None:
        router.fail(2)
        for number in (1, 2, 3):
            router.put(item(number))
        assert [result["data"] for result in await results(router, FEED)] == [
            item(n) for n in (1, 2, 3)
        ]

    async def test_router_that_keeps_failing_is_reported(self, router: FakeRouter) -> None:
        router.fail(3)
        router.put(item(2))
        router.put(item(3))
        first, *others = await results(router, FEED)
        assert first == first_lost("A service did not answer in time.", "GATEWAY_TIMEOUT")
        assert len(others) == 2

    async def test_query_that_the_router_refuses_ends_the_operation(
        self, router: FakeRouter
    ) -> None:
        error = {
            "message": "Too many fetches.",
            "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"},
        }
        router.answers.append(Answer(is_executed=False, data=None, errors=[error]))
        router.put(item(2))
        router.put(item(3))
        with pytest.raises(OperationFailed) as failed:
            await results(router, FEED)
        assert failed.value.formatted == [error]

    async def test_failure_of_the_source_is_that_of_the_subgraph(self, router: FakeRouter) -> None:
        query = 'subscription { items(word: "fail") { owner { joined } } }'
        with pytest.raises(OperationFailed) as failed:
            await results(router, query)
        assert [error["extensions"] for error in failed.value.formatted] == [
            {"code": "INTERNAL_SERVER_ERROR"}
        ]
        assert router.asked == []


class TestRefusal:
    async def test_unknown_field_is_reported_by_the_schema_of_clients(
        self, router: FakeRouter
    ) -> None:
        [(code, message)] = await codes(router, "subscription { items { owner { joinde } } }")
        assert code == "GRAPHQL_VALIDATION_FAILED"
        assert message == "Cannot query field 'joinde' on type 'User'. Did you mean 'joined'?"

    async def test_field_of_another_service_names_its_path(self, router: FakeRouter) -> None:
        assert await codes(router, "subscription { likes }") == [
            ("BAD_REQUEST", "Subscribe to `likes` at /graphql/stream/likes.")
        ]

    async def test_field_without_an_entry_serves_own_fields_only(self, router: FakeRouter) -> None:
        assert await codes(router, "subscription { plain { owner { joined } } }") == [
            (
                "GRAPHQL_VALIDATION_FAILED",
                "`plain` serves fields of items only, not `User.joined`.",
            )
        ]

    @pytest.mark.parametrize("directive", ["defer", "stream"])
    async def test_incremental_delivery_is_refused(
        self, router: FakeRouter, directive: str
    ) -> None:
        query = f"subscription {{ items {{ ... @{directive} {{ owner {{ joined }} }} }} }}"
        assert await codes(router, query) == [
            (
                "GRAPHQL_VALIDATION_FAILED",
                f"A subscription sends each event whole. Remove `@{directive}`.",
            )
        ]

    async def test_invalid_variable_is_reported_before_the_first_event(
        self, router: FakeRouter
    ) -> None:
        query = (
            "subscription ($n: Int!) { items { owner { items(first: $n) { owner { joined } } } } }"
        )
        [(code, message)] = await codes(router, query, n="many")
        assert code == "BAD_USER_INPUT"
        assert "'$n'" in message
        assert router.asked == []

    async def test_query_is_left_to_the_subgraph(self, router: FakeRouter) -> None:
        [(code, message)] = await codes(router, "{ me { joined } }")
        assert (code, message) == (
            "BAD_REQUEST",
            "Only subscriptions are served here. "
            "Send queries and mutations by POST with Accept: application/json.",
        )

    async def test_document_of_several_operations_needs_a_name(self, router: FakeRouter) -> None:
        query = "subscription A { items { id } } subscription B { items { number } }"
        [(_, message)] = await codes(router, query)
        assert "operationName" in message

    async def test_limits_count_foreign_fields(self, router: FakeRouter) -> None:
        deep = "owner { items(first: 1) { " * 9 + "owner { joined }" + " } }" * 9
        assert await codes(router, f"subscription {{ items {{ {deep} }} }}") == [
            ("GRAPHQL_VALIDATION_FAILED", "The operation has 21 levels; 15 are allowed.")
        ]
