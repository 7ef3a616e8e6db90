"""The HTTP side of a subgraph: one operation by POST; a bad request is a 4xx, never a 500."""

from collections.abc import Callable
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.exceptions import MissingQueryError
from strawberry.http import process_result
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from chassis.errors import error_response
from chassis.graphql.context import RequestContext
from chassis.graphql.schema import SubgraphSchema

BAD_REQUEST = "BAD_REQUEST"

_SERVED = {OperationType.QUERY, OperationType.MUTATION}


class GraphQLView:
    """ASGI application that answers operations as Strawberry's own view does, to the byte.

    It does not look for batches, uploads, pages and streams, which is what takes the other's time.
    """

    def __init__(
        self, schema: SubgraphSchema, make_context: Callable[[Request], RequestContext]
    ) -> None:
        """`make_context` builds a fresh context for each request."""
        self._schema = schema
        self._make_context = make_context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._answer(Request(scope, receive))
        except HTTPException as error:
            response = error_response(error.status_code, BAD_REQUEST, error.detail)
            response.headers.update(error.headers or {})
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        """Raises HTTPException."""
        if request.method != "POST":
            raise HTTPException(405, "A subgraph serves only POST.", {"allow": "POST"})
        if _media_type(request) != "application/json":
            raise HTTPException(400, "Unsupported content type")
        operation = _operation(await request.body())
        try:
            result = await self._schema.execute(
                operation.get("query"),
                variable_values=operation.get("variables"),
                context_value=self._make_context(request),
                operation_name=operation.get("operationName"),
                allowed_operation_types=_SERVED,
                operation_extensions=operation.get("extensions"),
            )
        except CannotGetOperationTypeError as error:
            raise HTTPException(400, error.as_http_error_reason()) from error
        except InvalidOperationTypeError as error:
            raise HTTPException(400, error.as_http_error_reason("POST")) from error
        except MissingQueryError as error:
            raise HTTPException(400, "No GraphQL query found in the request") from error
        status = 400 if _was_never_run(result) else 200
        answer = orjson.dumps(process_result(result))
        return Response(answer, status, media_type="application/json")


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


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


def _was_never_run(result: ExecutionResult) -> bool:
    """Whether there was something wrong with the document: the status says so, as the router's."""
    return result.data is None and not any(error.path for error in result.errors or ())
