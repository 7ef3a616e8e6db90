"""Queries by Strawberry's own view, subscriptions by this package."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from strawberry.asgi import GraphQL

from graphql_streams import (
    Caller,
    Handshake,
    Limits,
    Operation,
    Streams,
    Unauthenticated,
    bearer_token,
)
from graphql_streams.strawberry import Started, subscriptions

USERS = {"secret": "ada"}
"""Names by token; an application reads them from a JWT or a database."""


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "hello"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self, info: strawberry.Info[Operation, None]) -> AsyncGenerator[str, None]:
        """Knows nothing of tokens and sessions: they end its connection."""
        for number in range(1_000_000):
            yield f"{number} for {info.context.caller.id}"
            await asyncio.sleep(0.1)


async def authenticate(handshake: Handshake) -> Caller:
    token = bearer_token(handshake.payload) or bearer_token(handshake.headers)
    if token not in USERS:
        raise Unauthenticated
    expires_at = datetime.now(UTC) + timedelta(minutes=15)
    return Caller(USERS[token], session_id=token, expires_at=expires_at)


def sign_out(token: str) -> None:
    """End a session. When this returns, no event can be sent to it any more."""
    USERS.pop(token, None)
    streams.connections.end_sessions([token])


schema = strawberry.Schema(Query, subscription=Subscription, extensions=[Started])
streams = Streams(subscriptions(schema), authenticate, Limits(connections_per_caller=5))
app = Starlette(
    routes=[
        Route("/graphql", GraphQL[Operation, None](schema)),
        Route("/stream", streams),
        WebSocketRoute("/stream", streams),
    ]
)


class Server(uvicorn.Server):
    """Ends the subscriptions when the process is asked to stop; uvicorn would wait for them."""

    async def main_loop(self) -> None:
        await super().main_loop()
        streams.close()
        await asyncio.sleep(0.1)  # so that clients get the reason before uvicorn closes


if __name__ == "__main__":
    Server(uvicorn.Config(app)).run()
