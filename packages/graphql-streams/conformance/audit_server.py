"""The schema that the suites of graphql-ws and graphql-sse expect, served by this package.

`python audit_server.py PORT`. Executes queries too, as those suites and graphql-http's audits do.
POST /pong/KEY makes the subscription `ping(key: KEY)` yield, as their function `pong` does.
"""

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import graphql
import uvicorn
from graphql import ExecutionResult, OperationType, build_schema

from graphql_streams import Caller, Handshake, Limits, Operation, Streams
from graphql_streams.errors import OperationFailed
from graphql_streams.graphql_core import subscriptions

GREETINGS = ("Hi", "Bonjour", "Hola", "Ciao", "Zdravo")
SCHEMA = build_schema("""
    type Query { getValue: String!, getMultiline: String!, throwing: String! }
    type Subscription {
        greetings: String!
        slowGreetings: String!
        ping(key: String!): String!
        lateReturn: String!
        throwing: String!
    }
""")
pongs: defaultdict[str, asyncio.Queue[str]] = defaultdict(asyncio.Queue)


async def greetings(*_: Any) -> AsyncGenerator[dict[str, str], None]:
    for each in GREETINGS:
        yield {"greetings": each}


async def slow_greetings(*_: Any) -> AsyncGenerator[dict[str, str], None]:
    for each in GREETINGS:
        yield {"slowGreetings": each}
        await asyncio.sleep(0.01)


async def ping(_: Any, __: Any, key: str) -> AsyncGenerator[dict[str, str], None]:
    while True:
        yield {"ping": await pongs[key].get()}


async def late_return(*_: Any) -> AsyncGenerator[dict[str, str], None]:
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    await asyncio.sleep(0)
    return
    yield {}


async def throwing(_: Any, info: Any) -> AsyncGenerator[dict[str, str], None]:
    """graphql-sse's suite expects that no source opens, graphql-ws's that an open one fails."""
    if info.context.handshake.scope["type"] == "http":
        raise ValueError("Kaboom!")
    return _failing()


async def _failing() -> AsyncGenerator[dict[str, str], None]:
    # The exception of a source is masked, unless it is one for clients.
    raise graphql.GraphQLError("Subscribe Kaboom!")
    yield {}


def throwing_query(*_: Any) -> str:
    raise ValueError("Query Kaboom!")


query, subscription = SCHEMA.query_type, SCHEMA.subscription_type
assert query
assert subscription
query.fields["getValue"].resolve = lambda *_: "value"
query.fields["getMultiline"].resolve = lambda *_: "some\n\nthing"
query.fields["throwing"].resolve = throwing_query
for name, source in (
    ("greetings", greetings),
    ("slowGreetings", slow_greetings),
    ("ping", ping),
    ("lateReturn", late_return),
    ("throwing", throwing),
):
    subscription.fields[name].subscribe = source

subscribe = subscriptions(SCHEMA)


async def execute(operation: Operation) -> AsyncGenerator[ExecutionResult, None]:
    """Execute any operation; a query or mutation yields once."""
    request = operation.request
    with suppress(graphql.GraphQLError):
        found = graphql.get_operation_ast(graphql.parse(request.query), request.operation_name)
        if found is None or found.operation is not OperationType.SUBSCRIPTION:
            result = await graphql.graphql(
                SCHEMA,
                request.query,
                variable_values=request.variables,
                operation_name=request.operation_name,
            )
            if result.data is None and not any(each.path for each in result.errors or []):
                raise OperationFailed(result.errors or [])
            yield result
            return
    async for event in subscribe(operation):
        yield event  # type: ignore[misc]


async def authenticate(_: Handshake) -> Caller:
    return Caller("anyone")


def streams(**limits: Any) -> Streams:
    """Return an application without the limits on one caller, which these suites exceed."""
    limits = {"connections_per_caller": 1000, "operations_per_socket": 1000, **limits}
    return Streams(execute, authenticate, Limits(**limits))


default = streams()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Serve /pong/KEY, streams, and /init/MILLISECONDS: streams with this `init_seconds`."""
    what, _, value = scope.get("path", "").strip("/").partition("/")
    if what == "pong" and scope["type"] == "http":
        pongs[value].put_nowait("pong")
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
    elif what == "init":
        await streams(init_seconds=int(value) / 1000)(scope, receive, send)
    else:
        await default(scope, receive, send)


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", ws_per_message_deflate=False)
