"""Responses of a subgraph over HTTP, especially to invalid requests."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import httpx
import orjson
import pytest
import strawberry
from starlette.requests import ClientDisconnect
from strawberry.asgi import GraphQL
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import InvalidOperationTypeError
from structlog.testing import capture_logs

from chassis.app import MAX_BODY_SIZE, subgraph_app
from chassis.errors import BadUserInput
from chassis.graphql.context import RequestContext
from chassis.graphql.schema import build_schema
from chassis.graphql.view import GraphQLView
from chassis.metrics import Metrics
from chassis.principal import Principal
from chassis.shutdown import Shutdown
from tests.unit.chassis.known_sessions import KnownSessions

SECRET = "s" * 32
PRINCIPAL = Principal(
    user_id=UUID(int=1),
    username="ada",
    scopes=frozenset({"a", "b"}),
    session_id=UUID(int=2),
    expires_at=datetime(2100, 1, 1, tzinfo=UTC),
)
JSON = {"content-type": "application/json"}
TRUSTED = {"x-router-secret": SECRET}

Info = strawberry.Info[RequestContext, None]


class Scope(StrEnum):
    A = "a"
    C = "c"
    SECRET = "hunter2"


@strawberry.type
class Node:
    @strawberry.field
    def child(self) -> "Node":
        return Node()

    @strawberry.field
    def name(self) -> str:
        return "node"


@strawberry.type
class Query:
    @strawberry.field
    def node(self) -> Node:
        return Node()

    @strawberry.field
    def add(self, a: int, b: int = 1) -> int:
        return a + b

    @strawberry.field
    def whoami(self, info: Info) -> str:
        return info.context.require().username

    @strawberry.field
    def needs(self, info: Info, scope: str) -> str:
        return info.context.require(Scope(scope)).username

    @strawberry.field
    def client_address(self, info: Info) -> str:
        return info.context.client_address

    @strawberry.field
    def refuse(self) -> str | None:
        raise BadUserInput("Not like this.")

    @strawberry.field
    def mistyped(self) -> int | None:
        return "the password is hunter2"  # type: ignore[return-value]

    @strawberry.field
    def fail(self) -> str | None:
        raise RuntimeError("the password is hunter2")


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self) -> str:
        return "changed"


@asynccontextmanager
async def nothing() -> AsyncIterator[None]:
    yield


async def absent() -> None:
    raise ConnectionError


def application(**options: Any) -> httpx.ASGITransport:
    schema = build_schema(query=Query, mutation=Mutation, **options)
    view = GraphQLView(schema, lambda request: RequestContext(**RequestContext.caller(request)))
    return httpx.ASGITransport(
        subgraph_app(
            view,
            metrics=Metrics(),
            router_secret=SECRET,
            sessions=KnownSessions().guard,
            lifespan=nothing,
            checks={"the database": absent},
            shutdown=Shutdown(),
        )
    )


class Idle(SchemaExtension):
    """Makes operations go through Strawberry's hooks; the responses must stay the same."""

    seen: ClassVar[list[str | None]] = []

    def on_operation(self) -> Iterator[None]:
        self.seen.append(self.execution_context.query)
        yield


@pytest.fixture(params=[[], [Idle]], ids=["straight", "with an extension"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=application(extensions=request.param), base_url="http://subgraph", headers=TRUSTED
    ) as client:
        yield client


async def post(client: httpx.AsyncClient, query: str, **body: Any) -> httpx.Response:
    return await client.post("/graphql", json={"query": query, **body})


def error(answer: httpx.Response) -> dict[str, Any]:
    """Return the only error of a response without data."""
    body = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert body.get("data") is None
    (error,) = body["errors"]
    assert error["message"]
    found: dict[str, Any] = error
    return found


def code(answer: httpx.Response) -> str:
    return str(error(answer)["extensions"]["code"])


class TestExtensions:
    async def test_hooks_of_extensions_are_called(self) -> None:
        Idle.seen.clear()
        async with httpx.AsyncClient(
            transport=application(extensions=[Idle]), base_url="http://s", headers=TRUSTED
        ) as client:
            await post(client, "{ add(a: 1) }")
        assert Idle.seen == ["{ add(a: 1) }"]


class TestOperationName:
    @pytest.mark.parametrize("name", [None, "", "a"])
    async def test_empty_operation_name_counts_as_missing(
        self, client: httpx.AsyncClient, name: str | None
    ) -> None:
        answer = await post(client, "query a { add(a: 1) }", operationName=name)
        assert (answer.status_code, answer.json()) == (200, {"data": {"add": 2}})

    async def test_empty_operation_name_does_not_choose_among_several(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await post(client, "query a { add(a: 1) } mutation b { change }", operationName="")
        assert answer.status_code == 400
        assert "operationName" in error(answer)["message"]


class TestMessages:
    @pytest.mark.parametrize(
        ("query", "variables", "end"),
        [
            ("query ($a: Int! = 3) { add(a: $a) }", {"a": None}, "not to be null."),
            ("query ($a: Int = 3) { add(a: $a) }", {"a": None}, "not to be null."),
            ("{ add(a: null) }", {}, "not to be null."),
            ("query ($a: Int!) { add(a: $a) }", {"a": True}, "value: true"),
            ("query ($a: Int!) { add(a: $a) }", {"a": [None]}, "value: [null]"),
            ("query ($a: Int!) { add(a: $a) }", {"a": "None"}, "value: 'None'"),
        ],
    )
    async def test_null_and_booleans_are_written_as_in_json(
        self, client: httpx.AsyncClient, query: str, variables: dict[str, Any], end: str
    ) -> None:
        answer = await post(client, query, variables=variables)
        assert answer.json()["errors"][0]["message"].endswith(end)


class TestMutationsOfOneRequest:
    """The number of mutations that the gateway sends and receives."""

    MUTATIONS = "x-router-mutations"

    async def send(self, client: httpx.AsyncClient, query: str, before: int) -> httpx.Response:
        headers = {self.MUTATIONS: str(before)}
        return await client.post("/graphql", json={"query": query}, headers=headers)

    async def test_response_header_has_the_number_of_mutations(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await self.send(client, "mutation { change a: change }", 3)
        assert answer.status_code == 200
        assert answer.headers[self.MUTATIONS] == "2"

    async def test_mutations_beyond_the_limit_do_not_run(self, client: httpx.AsyncClient) -> None:
        answer = await self.send(client, "mutation { change a: change }", 4)
        assert answer.status_code == 400
        assert code(answer) == "GRAPHQL_VALIDATION_FAILED"
        assert self.MUTATIONS not in answer.headers

    async def test_cached_document_is_checked_again(self, client: httpx.AsyncClient) -> None:
        for before, status in ((0, 200), (5, 400), (4, 200)):
            answer = await self.send(client, "mutation { change }", before)
            assert answer.status_code == status

    async def test_queries_are_not_counted(self, client: httpx.AsyncClient) -> None:
        answer = await self.send(client, "{ add(a: 1) }", 5)
        assert answer.json() == {"data": {"add": 2}}
        assert self.MUTATIONS not in answer.headers

    async def test_refused_mutations_are_not_counted(self, client: httpx.AsyncClient) -> None:
        query = "mutation ($skip: Boolean!) { change @skip(if: $skip) }"
        answer = await self.send(client, query, 0)
        assert answer.status_code == 400
        assert self.MUTATIONS not in answer.headers


class TestTrustedCallers:
    async def test_caller_with_the_secret_is_answered(self, client: httpx.AsyncClient) -> None:
        answer = await post(client, "{ add(a: 1) }")
        assert (answer.status_code, answer.json()) == (200, {"data": {"add": 2}})

    @pytest.mark.parametrize(
        "headers",
        [
            [],
            [("x-router-secret", "")],
            [("x-router-secret", "guess")],
            [("x-router-secret", SECRET[:-1])],
            [("x-router-secret", SECRET), ("x-router-secret", "guess")],
            [("x-router-secret", "\xff")],
            [("x_router_secret", SECRET)],
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
    async def test_caller_without_the_secret_is_refused(
        self, method: str, headers: list[tuple[str, str]]
    ) -> None:
        sent = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        async with httpx.AsyncClient(transport=application(), base_url="http://s") as client:
            answer = await client.request(method, "/graphql", headers=sent, content=b"{}")
        assert answer.status_code == 403
        assert code(answer) == "FORBIDDEN"

    async def test_caller_is_read_from_the_headers_of_the_edge(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await client.post(
            "/graphql", json={"query": "{ whoami }"}, headers=PRINCIPAL.headers()
        )
        assert answer.json() == {"data": {"whoami": "ada"}}

    async def test_request_without_identity_is_anonymous(self, client: httpx.AsyncClient) -> None:
        answer = await post(client, "{ whoami }")
        assert answer.status_code == 200
        assert code(answer) == "UNAUTHENTICATED"

    async def test_missing_scope_is_named(self, client: httpx.AsyncClient) -> None:
        answer = await client.post(
            "/graphql", json={"query": '{ needs(scope: "c") }'}, headers=PRINCIPAL.headers()
        )
        assert error(answer) == {
            "message": "This session lacks the scope c.",
            "path": ["needs"],
            "locations": [{"line": 1, "column": 3}],
            "extensions": {"code": "FORBIDDEN"},
        }

    async def test_client_address_is_read_from_the_header_of_the_edge(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await client.post(
            "/graphql",
            json={"query": "{ clientAddress }"},
            headers={"x-client-address": "192.0.2.1"},
        )
        assert answer.json() == {"data": {"clientAddress": "192.0.2.1"}}


class TestBody:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"query { node }",
            b"\xff\xfe",
            b'{"query": "\xff"}',
            b'{"query": "\\ud800"}',
            b"NaN",
            b"[" * 2000,
            b'{"query": "{add(a:1)}"} {}',
        ],
    )
    async def test_body_that_is_not_json_is_refused(
        self, client: httpx.AsyncClient, body: bytes
    ) -> None:
        answer = await client.post("/graphql", content=body, headers=JSON)
        assert answer.status_code == 400
        assert code(answer) == "BAD_REQUEST"

    @pytest.mark.parametrize(
        "body",
        [
            3,
            "query",
            True,
            None,
            1.5,
            [],
            [3],
            [{"query": "{ add(a: 1) }"}],
            {},
            {"query": None},
            {"query": 3},
            {"query": ["{ add(a: 1) }"]},
            {"query": {"add": 1}},
            {"query": "{ add(a: 1) }", "variables": 3},
            {"query": "{ add(a: 1) }", "variables": []},
            {"query": "{ add(a: 1) }", "variables": "{}"},
            {"query": "{ add(a: 1) }", "operationName": 3},
            {"query": "{ add(a: 1) }", "operationName": ["a"]},
            {"query": "{ add(a: 1) }", "operationName": {}},
            {"query": "{ add(a: 1) }", "operationName": "unknown"},
            {"query": "{ add(a: 1) }", "extensions": 3},
            {"query": "fragment f on Query { add(a: 1) }"},
        ],
        ids=json.dumps,
    )
    async def test_json_of_another_shape_is_refused(
        self, client: httpx.AsyncClient, body: object
    ) -> None:
        answer = await client.post("/graphql", content=json.dumps(body), headers=JSON)
        assert answer.status_code == 400
        assert code(answer) == "BAD_REQUEST"

    @pytest.mark.parametrize(
        "content_type",
        ["", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"],
    )
    async def test_other_content_type_is_refused(
        self, client: httpx.AsyncClient, content_type: str
    ) -> None:
        answer = await client.post(
            "/graphql",
            content=b'{"query": "{ add(a: 1) }"}',
            headers={"content-type": content_type},
        )
        assert answer.status_code == 415
        assert code(answer) == "BAD_REQUEST"

    async def test_blank_operation_name_counts_as_missing(self, client: httpx.AsyncClient) -> None:
        answer = await post(client, "query a { add(a: 1) }", operationName="")
        assert answer.json() == {"data": {"add": 2}}

    async def test_body_up_to_the_limit_is_read(self, client: httpx.AsyncClient) -> None:
        body = b'{"query": "{ add(a: 1) }"}'.ljust(MAX_BODY_SIZE)
        answer = await client.post("/graphql", content=body, headers=JSON)
        assert answer.json() == {"data": {"add": 2}}

    async def test_body_beyond_the_limit_is_refused(self, client: httpx.AsyncClient) -> None:
        body = b'{"query": "{ add(a: 1) }"}'.ljust(MAX_BODY_SIZE + 1)
        answer = await client.post("/graphql", content=body, headers=JSON)
        assert answer.status_code == 413
        assert code(answer) == "BAD_REQUEST"

    async def test_chunked_body_beyond_the_limit_is_refused(
        self, client: httpx.AsyncClient
    ) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(MAX_BODY_SIZE // 1024 + 1):
                yield b" " * 1024

        answer = await client.post("/graphql", content=chunks(), headers=JSON)
        assert answer.status_code == 413
        assert code(answer) == "BAD_REQUEST"


class TestDisconnect:
    async def test_client_that_leaves_while_it_sends_is_not_answered(self) -> None:
        view = GraphQLView(
            build_schema(query=Query), lambda c: RequestContext(**RequestContext.caller(c))
        )
        messages = iter(
            [
                {"type": "http.request", "body": b'{"query": "{ add(', "more_body": True},
                {"type": "http.disconnect"},
            ]
        )

        async def receive() -> Any:
            return next(messages)

        async def send(_: Any) -> None:
            raise AssertionError

        scope = {
            "type": "http",
            "method": "POST",
            "headers": [(b"content-type", b"application/json")],
        }
        with pytest.raises(ClientDisconnect):
            await view(scope, receive, send)


class TestMethod:
    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
    async def test_other_method_than_post_is_refused(
        self, client: httpx.AsyncClient, method: str
    ) -> None:
        answer = await client.request(
            method,
            "/graphql",
            params={"query": "mutation { change }"},
            content=b'{"query": "mutation { change }"}',
            headers=JSON,
        )
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        assert code(answer) == "BAD_REQUEST"


class TestDocument:
    @pytest.mark.parametrize(
        "query", ["", "{", "query {", "{ add(a: ) }", '{ add(a: "\\ud800") }', "\x00"]
    )
    async def test_syntax_error_is_a_client_error(
        self, client: httpx.AsyncClient, query: str
    ) -> None:
        answer = await post(client, query)
        assert answer.status_code == 400
        assert code(answer) in {"GRAPHQL_PARSE_FAILED", "BAD_REQUEST"}

    @pytest.mark.parametrize(
        "query",
        [
            "{ unknown }",
            "{ add }",
            '{ add(a: "1") }',
            "{ add(a: 99999999999) }",
            "{ node }",
            "query ($a: Unknown) { add(a: $a) }",
            "{ ...unknown }",
            "mutation { unknown }",
        ],
    )
    async def test_invalid_document_is_a_client_error(
        self, client: httpx.AsyncClient, query: str
    ) -> None:
        answer = await post(client, query)
        assert answer.status_code == 400
        assert code(answer) == "GRAPHQL_VALIDATION_FAILED"

    @pytest.mark.parametrize(
        "variables", [{}, None, {"a": "1"}, {"a": None}, {"a": [1]}, {"a": 1e40}]
    )
    async def test_variable_of_a_wrong_type_is_a_client_error(
        self, client: httpx.AsyncClient, variables: object
    ) -> None:
        answer = await post(client, "query ($a: Int!) { add(a: $a) }", variables=variables)
        assert answer.status_code == 400
        assert code(answer) == "BAD_USER_INPUT"

    async def test_null_for_an_argument_with_a_default_is_a_client_error(
        self, client: httpx.AsyncClient
    ) -> None:
        query = "query ($b: Int) { add(a: 1, b: $b) }"
        answer = await post(client, query, variables={"b": None})
        assert code(answer) == "BAD_USER_INPUT"
        assert (await post(client, query)).json() == {"data": {"add": 2}}

    async def test_unused_variable_is_an_error_of_the_document(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await post(client, "query ($b: Int) { add(a: 1) }")
        assert code(answer) == "GRAPHQL_VALIDATION_FAILED"

    async def test_subscription_is_refused(self, client: httpx.AsyncClient) -> None:
        answer = await post(client, "subscription { node }")
        assert answer.status_code == 400
        assert error(answer)

    async def test_one_of_several_operations_must_be_named(self, client: httpx.AsyncClient) -> None:
        query = "query a { add(a: 1) } mutation b { change }"
        answer = await post(client, query)
        assert answer.status_code == 400
        assert code(answer) == "GRAPHQL_VALIDATION_FAILED"
        assert (await post(client, query, operationName="a")).json() == {"data": {"add": 2}}
        changed = await post(client, query, operationName="b")
        assert changed.json() == {"data": {"change": "changed"}}

    async def test_introspection_can_be_switched_off(self, client: httpx.AsyncClient) -> None:
        async with httpx.AsyncClient(
            transport=application(introspection=False), base_url="http://s", headers=TRUSTED
        ) as production:
            answer = await post(production, "{ __schema { description } }")
            assert answer.status_code == 400
            assert "introspection" in answer.json()["errors"][0]["message"]
            assert (await post(production, "{ __typename }")).status_code == 200
        answer = await post(client, "{ __schema { queryType { name } } }")
        assert answer.json() == {"data": {"__schema": {"queryType": {"name": "Query"}}}}


class TestSchema:
    async def test_fragments_that_double_at_each_level_are_measured_once(self) -> None:
        schema = build_schema(query=Query)
        levels = 40
        doubling = " ".join(
            f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels)
        )
        result = await schema.execute(
            f"{{ ...F0 }} {doubling} fragment F{levels} on Query {{ add(a: 1) }}"
        )
        assert result.data == {"add": 2}

    async def test_empty_set_of_allowed_operations_refuses_all(self) -> None:
        with pytest.raises(InvalidOperationTypeError):
            await build_schema(query=Query).execute("{ add(a: 1) }", allowed_operation_types=[])

    def test_execute_sync_masks_errors_too(self) -> None:
        result = build_schema(query=Query).execute_sync("{ fail }")
        assert "hunter2" not in str(result.errors)

    @pytest.mark.parametrize("extensions", [[], [Idle]], ids=["straight", "with an extension"])
    async def test_failure_is_logged_with_the_operation_name(self, extensions: Any) -> None:
        schema = build_schema(query=Query, extensions=extensions)
        with capture_logs() as lines:
            await schema.execute("query Named { fail }")
        (line,) = lines
        assert (line["event"], line["operation"], line["path"]) == (
            "resolver failed",
            "Named",
            ["fail"],
        )


class TestDescription:
    """The headers that name the operation and its result, for the log of the edge."""

    @pytest.mark.parametrize(
        ("query", "operation", "outcome"),
        [
            ("query Mine { sum: add(a: 1) }", "add", "ok"),
            ("{ add(a: 1) node { name } }", "several", "ok"),
            ("{ fail }", "fail", "INTERNAL_SERVER_ERROR"),
            ("{ nothing }", "unknown", "GRAPHQL_VALIDATION_FAILED"),
        ],
    )
    async def test_response_names_the_root_field_and_the_outcome(
        self, client: httpx.AsyncClient, query: str, operation: str, outcome: str
    ) -> None:
        headers = (await post(client, query)).headers
        assert headers["x-router-operation"] == operation
        assert headers["x-router-outcome"] == outcome


class TestStrawberrysView:
    """Both views must give the same responses where both support a request."""

    @pytest.mark.parametrize(
        "body",
        [
            {"query": "{ add(a: 1) }"},
            {"query": "query ($a: Int!) { add(a: $a) }", "variables": {"a": 2}},
            {"query": "query a { add(a: 1) } query b { add(a: 2) }", "operationName": "b"},
            {"query": "mutation { change }", "variables": None, "extensions": {"a": 1}},
            {"query": "{ refuse fail add(a: 1) }"},
            {"query": "{ whoami }"},
            {"query": '{ node { name } needs(scope: "a") }'},
        ],
        ids=json.dumps,
    )
    async def test_response_has_the_same_bytes_as_strawberrys(self, body: dict[str, Any]) -> None:
        class View(GraphQL[RequestContext, None]):
            async def get_context(self, request: Any, response: Any) -> RequestContext:
                return RequestContext(**RequestContext.caller(request))

            def encode_json(self, data: object) -> bytes:
                return orjson.dumps(data)

        schema = build_schema(query=Query, mutation=Mutation)
        ours = GraphQLView(schema, lambda request: RequestContext(**RequestContext.caller(request)))
        answers = []
        for view in (ours, View(schema)):
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(view), base_url="http://subgraph"
            ) as client:
                answer = await client.post("/", json=body, headers=PRINCIPAL.headers())
                # Only gateways read these headers.
                for name in ("mutations", "operation", "outcome"):
                    answer.headers.pop(f"x-router-{name}", None)
                # Its status is 200 for errors before execution.
                answers.append((answer.content, answer.headers))
        assert answers[0] == answers[1]


class TestLimits:
    @pytest.mark.parametrize(
        ("allowed", "refused", "message"),
        [
            (
                "{node" + "{child" * 13 + "{name}" + "}" * 14,
                "{node" + "{child" * 14 + "{name}" + "}" * 15,
                "The operation has 16 levels; 15 are allowed.",
            ),
            (
                "{" + " ".join(f"a{n}: add(a: 1)" for n in range(30)) + "}",
                "{" + " ".join(f"a{n}: add(a: 1)" for n in range(31)) + "}",
                "The operation has 31 aliases; 30 are allowed.",
            ),
            (
                "{" + "__typename " * 100 + "}",
                "{" + "__typename " * 2000 + "}",
                "The document has more than 2000 tokens; 2000 are allowed.",
            ),
        ],
        ids=["depth", "aliases", "tokens"],
    )
    async def test_document_beyond_a_limit_is_refused(
        self, client: httpx.AsyncClient, allowed: str, refused: str, message: str
    ) -> None:
        assert (await post(client, allowed)).status_code == 200
        answer = await post(client, refused)
        assert answer.status_code == 400
        assert code(answer) in {"GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED"}
        [error] = answer.json()["errors"]
        assert (error["message"], error["extensions"]["reason"]) == (message, "LIMIT_EXCEEDED")

    @pytest.mark.parametrize(
        "query",
        [
            "{node" + "{child" * 600 + "{name}" + "}" * 601,
            "{node" + "{... on Node" * 450 + "{name}" + "}" * 451,
            "{add(a:" + "[" * 900 + "]" * 900 + ")}",
            "query($a:" + "[" * 900 + "Int" + "]" * 900 + "){add(a:$a)}",
        ],
    )
    async def test_extreme_nesting_is_refused(self, client: httpx.AsyncClient, query: str) -> None:
        answer = await post(client, query)
        assert answer.status_code == 400
        assert code(answer) == "GRAPHQL_PARSE_FAILED"

    async def test_document_with_doubling_fragments_is_answered(
        self, client: httpx.AsyncClient
    ) -> None:
        # Expanded, these are 2^60 fields: then this test would not end.
        fragments = (f"fragment f{n} on Node {{ ...f{n + 1} ...f{n + 1} }}" for n in range(60))
        query = " ".join(["{ node { ...f0 } }", *fragments, "fragment f60 on Node { name }"])
        answer = await post(client, query)
        assert answer.json() == {"data": {"node": {"name": "node"}}}


class TestErrors:
    @pytest.fixture
    def logs(self) -> Iterator[list[Any]]:
        with capture_logs() as logs:
            yield logs

    async def test_failure_is_masked_and_logged_with_its_traceback(
        self, client: httpx.AsyncClient, logs: list[Any]
    ) -> None:
        answer = await post(client, "query Q { fail add(a: 1) }")
        assert answer.status_code == 200
        body = answer.json()
        assert body["data"] == {"fail": None, "add": 2}
        (shown,) = body["errors"]
        assert shown["extensions"] == {"code": "INTERNAL_SERVER_ERROR"}
        assert shown["path"] == ["fail"]
        assert "hunter2" not in answer.text
        (logged,) = [entry for entry in logs if entry["log_level"] == "error"]
        assert logged["operation"] == "Q"
        assert isinstance(logged["exc_info"], RuntimeError)

    async def test_value_of_a_wrong_type_from_a_resolver_is_masked(
        self, client: httpx.AsyncClient, logs: list[Any]
    ) -> None:
        answer = await post(client, "{ mistyped }")
        (shown,) = answer.json()["errors"]
        assert shown["extensions"] == {"code": "INTERNAL_SERVER_ERROR"}
        assert "hunter2" not in answer.text
        assert len([entry for entry in logs if entry["log_level"] == "error"]) == 1

    async def test_client_error_is_shown_and_not_logged_as_a_failure(
        self, client: httpx.AsyncClient, logs: list[Any]
    ) -> None:
        answer = await post(client, "{ refuse }")
        (shown,) = answer.json()["errors"]
        assert (shown["message"], shown["extensions"]) == (
            "Not like this.",
            {"code": "BAD_USER_INPUT"},
        )
        assert [entry for entry in logs if entry["log_level"] == "error"] == []

    async def test_request_log_has_no_document_and_no_variables(
        self, client: httpx.AsyncClient, logs: list[Any]
    ) -> None:
        await client.post(
            "/graphql?token=hunter2",
            json={"query": '{ needs(scope: "hunter2") }'},
            headers={"x-request-id": "r1"},
        )
        (entry,) = [entry for entry in logs if entry["event"] == "request"]
        assert (entry["method"], entry["path"], entry["status"]) == ("POST", "/graphql", 200)
        assert "hunter2" not in str(logs)


class TestProbes:
    async def test_livez_answers(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/livez")).json() == {"status": "ok"}

    async def test_readyz_names_the_failed_check(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "failed", "checks": {"the database": "failed"}}


class TestPaths:
    async def test_trailing_slash_is_not_redirected(self, client: httpx.AsyncClient) -> None:
        """A redirect would name the query string, with a code in it, over plain HTTP."""
        answer = await client.get("/livez/", params={"code": "secret"})
        assert answer.status_code == 404
        assert "location" not in answer.headers
