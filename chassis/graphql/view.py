"""The HTTP side of a subgraph: every bad request is a 4xx with a GraphQL error, never a 500."""

from collections.abc import Callable
from typing import Any

import orjson
from cross_web import AsyncHTTPRequestAdapter, HTTPException
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLRequestData
from strawberry.types import ExecutionResult

from chassis.errors import error_response
from chassis.graphql.context import RequestContext
from chassis.graphql.schema import SubgraphSchema

BAD_REQUEST = "BAD_REQUEST"


class GraphQLView(GraphQL[RequestContext, None]):
    """Strawberry's ASGI view with orjson, strict bodies and errors that are GraphQL.

    `make_context` builds a fresh context for each request.
    """

    def __init__(
        self, schema: SubgraphSchema, make_context: Callable[[Request], RequestContext]
    ) -> None:
        super().__init__(
            schema, graphql_ide=None, allow_queries_via_get=False, subscription_protocols=()
        )
        self._make_context = make_context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self.run(Request(scope, receive))
        except HTTPException as error:
            response = error_response(error.status_code, BAD_REQUEST, error.reason)
        except StarletteHTTPException as error:
            response = error_response(error.status_code, BAD_REQUEST, error.detail)
        await response(scope, receive, send)

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> RequestContext:
        assert isinstance(request, Request)  # noqa: S101  (no protocol but HTTP is served here)
        return self._make_context(request)

    def decode_json(self, data: str | bytes) -> object:
        return orjson.loads(data)

    def encode_json(self, data: object) -> bytes:
        return orjson.dumps(data)

    def parse_json(self, data: str | bytes) -> Any:
        body = super().parse_json(data)
        if not isinstance(body, (dict, list)):
            raise HTTPException(400, "The body must be a JSON object.")
        return body

    async def parse_http_body(
        self, request: AsyncHTTPRequestAdapter
    ) -> GraphQLRequestData | list[GraphQLRequestData]:
        data = await super().parse_http_body(request)
        name = data.operation_name if isinstance(data, GraphQLRequestData) else None
        if name is not None and not isinstance(name, str):
            raise HTTPException(400, "The GraphQL operation's `operationName` must be a string.")
        return data

    async def execute_operation(self, *args: Any, **kwargs: Any) -> Any:
        result = await super().execute_operation(*args, **kwargs)
        if (
            isinstance(result, ExecutionResult)
            and result.data is None
            and not any(error.path for error in result.errors or ())
        ):
            # The document was never run: say so in the status, as the router does.
            kwargs["sub_response"].status_code = 400
        return result
