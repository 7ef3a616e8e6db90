"""GraphQL over HTTP for a subgraph: one operation by POST; an invalid request is a 4xx."""

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
)
from chassis.graphql.context import (
    MUTATIONS_HEADER,
    OPERATION_HEADER,
    OUTCOME_HEADER,
    RequestContext,
)
from chassis.graphql.schema import SubgraphSchema
from chassis.tracing import span
from graphql_streams import GraphQLRequest, Refused, is_json, status_for

_JSON = (b"content-type", b"application/json")
_MUTATIONS = MUTATIONS_HEADER.encode()
_OPERATION, _OUTCOME = OPERATION_HEADER.encode(), OUTCOME_HEADER.encode()
_SERVED = {OperationType.QUERY, OperationType.MUTATION}


class GraphQLView:
    """ASGI application with the same responses as Strawberry's view, to the byte.

    It is faster because it does not check for batches, uploads, pages and streams
    (docs/performance.md).
    """

    def __init__(
        self,
        schema: SubgraphSchema,
        make_context: Callable[[HTTPConnection], RequestContext],
        record: Callable[[str, str, float], None] = lambda *_: None,
    ) -> None:
        """`make_context` returns a new context for each request.

        `record` is called after each operation with its root field, its result and its seconds.
        """
        self._schema = schema
        self._make_context = make_context
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status, answer, headers = await self._answer(scope, receive)
        except HTTPException as error:
            response = error_response(error.status_code, BadRequest.code, error.detail)
            response.headers.update(error.headers or {})
            await response(scope, receive, send)
            return
        except (ClientError, Refused) as error:
            response = error_response(status_for(error.code), error.code, str(error))
            await response(scope, receive, send)
            return
        headers += [(b"content-length", b"%d" % len(answer)), _JSON]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _answer(
        self, scope: Scope, receive: Receive
    ) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        """Return the status, the body, and headers that describe the operation.

        Raises HTTPException, ClientError or Refused.
        """
        if scope["method"] != "POST":
            raise HTTPException(405, "Send GraphQL requests by POST.", {"allow": "POST"})
        connection = HTTPConnection(scope)
        if not is_json(connection.headers.get("content-type", "")):
            raise HTTPException(415, "Send the request with Content-Type: application/json.")
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
        self._record(context.operation, outcome, perf_counter() - started)
        body = orjson.dumps(process_result(result))
        headers = [(_OPERATION, context.operation.encode()), (_OUTCOME, outcome.encode())]
        if _was_never_run(result):
            return status_for(outcome), body, headers
        if context.mutations:
            headers.append((_MUTATIONS, b"%d" % context.mutations))
        return 200, body, headers


async def _body(receive: Receive) -> bytes:
    """Return the body of the request. Raises ClientDisconnect."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _outcome(result: ExecutionResult, context: RequestContext) -> str:
    """Return `ok`, the code of the first error, or the type of an error as data."""
    if result.errors:
        # Masking gave every error a code.
        return str((result.errors[0].extensions or {}).get("code", "unknown"))
    return context.outcome or "ok"


def _was_never_run(result: ExecutionResult) -> bool:
    """Return whether the request failed before execution: then the status is not 200."""
    return result.data is None and not any(error.path for error in result.errors or ())
