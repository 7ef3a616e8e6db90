"""The HTTP side of a subgraph: one operation by POST; a bad request is a 4xx, never a 500."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import Receive, Scope, Send
from strawberry.exceptions import MissingQueryError
from strawberry.http import process_result
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from chassis.errors import error_response
from chassis.graphql.context import MUTATIONS_HEADER, RequestContext
from chassis.graphql.schema import INTERNAL_SERVER_ERROR, SubgraphSchema
from chassis.tracing import span

BAD_REQUEST = "BAD_REQUEST"

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
            response = error_response(error.status_code, BAD_REQUEST, error.detail)
            response.headers.update(error.headers or {})
            await response(scope, receive, send)
            return
        headers = [(b"content-length", b"%d" % len(answer)), _JSON]
        if mutations:
            headers.append((_MUTATIONS, b"%d" % mutations))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes, int]:
        """The status, the JSON and how many mutations ran. Raises HTTPException."""
        if scope["method"] != "POST":
            raise HTTPException(405, "A subgraph serves only POST.", {"allow": "POST"})
        connection = HTTPConnection(scope)
        if _media_type(connection) != "application/json":
            raise HTTPException(400, "Unsupported content type")
        operation = _operation(await _body(receive))
        context = self._make_context(connection)
        started = perf_counter()
        try:
            with span("graphql") as work:
                result = await self._schema.execute(
                    operation.get("query"),
                    variable_values=operation.get("variables"),
                    context_value=context,
                    operation_name=operation.get("operationName") or None,
                    allowed_operation_types=_SERVED,
                    operation_extensions=operation.get("extensions"),
                )
                outcome = _outcome(result, context)
                work.rename(f"graphql {context.operation}")
                work.set("graphql.result", outcome)
                if outcome == INTERNAL_SERVER_ERROR:
                    work.fail(outcome)
        except CannotGetOperationTypeError as error:
            raise HTTPException(400, error.as_http_error_reason()) from error
        except InvalidOperationTypeError as error:
            raise HTTPException(400, error.as_http_error_reason("POST")) from error
        except MissingQueryError as error:
            raise HTTPException(400, "No GraphQL query found in the request") from error
        self._observe(context.operation, outcome, perf_counter() - started)
        body = orjson.dumps(process_result(result))
        return (400, body, 0) if _was_never_run(result) else (200, body, context.mutations)


def _media_type(connection: HTTPConnection) -> str:
    return connection.headers.get("content-type", "").partition(";")[0].strip().lower()


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


def _operation(body: bytes) -> dict[str, Any]:
    """What a request asks for. Raises HTTPException."""
    try:
        operation = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HTTPException(400, "Unable to parse request body as JSON") from error
    if isinstance(operation, list):
        raise HTTPException(400, "Batching is not enabled")
    if not isinstance(operation, dict):
        raise HTTPException(400, "The body must be a JSON object.")
    for name, kind, called in _SHAPE:
        if not isinstance(operation.get(name), (kind, type(None))):
            raise HTTPException(400, f"The GraphQL operation's `{name}` must be {called}.")
    return operation


_SHAPE = (
    ("query", str, "a string"),
    ("variables", dict, "an object"),
    ("operationName", str, "a string"),
    ("extensions", dict, "an object"),
)


def _outcome(result: ExecutionResult, context: RequestContext) -> str:
    """`ok`, the code of the first error, or the type of an error that is data."""
    if result.errors:
        # Every error has a code by now, of our own or of those that Strawberry knows.
        return str((result.errors[0].extensions or {}).get("code", "unknown"))
    return context.outcome or "ok"


def _was_never_run(result: ExecutionResult) -> bool:
    """Whether there was something wrong with the document: the status says so, as the router's."""
    return result.data is None and not any(error.path for error in result.errors or ())
