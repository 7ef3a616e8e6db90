"""The HTTP side of a subgraph: one operation by POST; a bad request is a 4xx, never a 500."""

from collections.abc import Callable
from time import perf_counter

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import Receive, Scope, Send
from strawberry.http import process_result
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from chassis.errors import (
    INTERNAL_SERVER_ERROR,
    BadRequest,
    ClientError,
    error_response,
    status_for,
)
from chassis.graphql.context import MUTATIONS_HEADER, RequestContext
from chassis.graphql.request import GraphQLRequest, is_json
from chassis.graphql.schema import SubgraphSchema
from chassis.tracing import span

_JSON = (b"content-type", b"application/json")
_MUTATIONS = MUTATIONS_HEADER.encode()
_SERVED = {OperationType.QUERY, OperationType.MUTATION}


class GraphQLView:
    """ASGI application that answers operations as Strawberry's own view does, to the byte.

    It does not look for batches, uploads, pages and streams, which is what takes the other's time.
    """

    def __init__(
        self,
        schema: SubgraphSchema,
        make_context: Callable[[HTTPConnection], RequestContext],
        observe: Callable[[str, str, float], None] = lambda *_: None,
    ) -> None:
        """`make_context` builds a fresh context for each request.

        `observe` is told of each operation: its root field, its result, the seconds it took.
        """
        self._schema = schema
        self._make_context = make_context
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status, answer, mutations = await self._answer(scope, receive)
        except HTTPException as error:
            response = error_response(error.status_code, BadRequest.code, error.detail)
            response.headers.update(error.headers or {})
            await response(scope, receive, send)
            return
        except ClientError as error:
            response = error_response(status_for(error.code), error.code, str(error))
            await response(scope, receive, send)
            return
        headers = [(b"content-length", b"%d" % len(answer)), _JSON]
        if mutations:
            headers.append((_MUTATIONS, b"%d" % mutations))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes, int]:
        """The status, the JSON and how many mutations ran. Raises HTTPException or ClientError."""
        if scope["method"] != "POST":
            raise HTTPException(405, "A subgraph serves only POST.", {"allow": "POST"})
        connection = HTTPConnection(scope)
        if not is_json(connection.headers.get("content-type", "")):
            raise HTTPException(415, "Send the request as application/json.")
        asked = GraphQLRequest.decode(await _body(receive))
        context = self._make_context(connection)
        started = perf_counter()
        try:
            with span("graphql") as work:
                result = await self._schema.execute(
                    asked.query,
                    variable_values=asked.variables,
                    context_value=context,
                    operation_name=asked.operation_name,
                    allowed_operation_types=_SERVED,
                    operation_extensions=asked.extensions,
                )
                outcome = _outcome(result, context)
                work.rename(f"graphql {context.operation}")
                work.set("graphql.result", outcome)
                if outcome == INTERNAL_SERVER_ERROR:
                    work.fail(outcome)
        except CannotGetOperationTypeError as error:
            raise BadRequest(error.as_http_error_reason()) from error
        except InvalidOperationTypeError as error:
            raise BadRequest(error.as_http_error_reason("POST")) from error
        self._observe(context.operation, outcome, perf_counter() - started)
        body = orjson.dumps(process_result(result))
        if _was_never_run(result):
            return status_for(outcome), body, 0
        return 200, body, context.mutations


async def _body(receive: Receive) -> bytes:
    """Raises ClientDisconnect."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _outcome(result: ExecutionResult, context: RequestContext) -> str:
    """`ok`, the code of the first error, or the type of an error that is data."""
    if result.errors:
        # Every error has a code by now, of our own or of those that Strawberry knows.
        return str((result.errors[0].extensions or {}).get("code", "unknown"))
    return context.outcome or "ok"


def _was_never_run(result: ExecutionResult) -> bool:
    """Whether there was something wrong with the document: the status says so, as the router's."""
    return result.data is None and not any(error.path for error in result.errors or ())
