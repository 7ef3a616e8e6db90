"""The context of a GraphQL operation, `info.context`; services add loaders and use cases."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from starlette.requests import HTTPConnection

from chassis.graphql.viewers import SharedConnection
from chassis.principal import Principal, principal_from, require
from chassis.sessions.guard import require_live_session

MUTATIONS_HEADER = "x-router-mutations"
"""The number of mutations that ran for one client request: the gateway sends the sum of the earlier
fetches, a subgraph responds with its own number. The edge removes this header from clients."""

OPERATION_HEADER, OUTCOME_HEADER = "x-router-operation", "x-router-outcome"
"""The root field of an operation and its result, in a response. The edge logs and removes them."""

OF_REQUEST = ("client_address", "user_agent", "mutations_before")
"""The fields that say something about the request, and not about the caller."""


@dataclass(kw_only=True)
class RequestContext:
    """The caller and the statistics of one operation."""

    principal: Principal | None
    client_address: str
    user_agent: str
    operation: str = field(default="unknown", init=False)
    """The name of the root field."""
    mutations_before: int = 0
    """The number of mutations that earlier fetches of the same client request have run."""
    mutations: int = field(default=0, init=False)
    """The number of mutations that this fetch runs."""
    outcome: str | None = field(default=None, init=False)
    """The type of the error that the operation returned as data."""

    @classmethod
    def caller(
        cls, connection: HTTPConnection, principal: Principal | None = None
    ) -> dict[str, Any]:
        """Return the fields of this class, read from the headers of the edge.

        Pass `principal` if the caller is known from elsewhere (the first message of a socket).
        """
        if isinstance(connection, SharedConnection):
            # Its context reads the other fields when they are used (shared_context.py).
            return {"principal": principal, **dict.fromkeys(OF_REQUEST)}
        # Decoded once: Starlette's headers scan and decode the list for each look-up
        # (docs/performance.md). The first of several headers with one name counts.
        headers = {
            name.decode("latin-1"): header_text(value)
            for name, value in reversed(connection.scope["headers"])
        }
        return {
            "principal": principal or principal_from(headers),
            "client_address": headers.get("x-client-address", ""),
            "user_agent": headers.get("user-agent", ""),
            "mutations_before": int(headers.get(MUTATIONS_HEADER, "0")),
        }

    @classmethod
    def from_connection(
        cls, connection: HTTPConnection, principal: Principal | None = None, **own: Any
    ) -> Self:
        """Return the context of one operation; `own` are the fields of the service's subclass."""
        return cls(**cls.caller(connection, principal), **own)

    def require(self, scope: StrEnum | None = None) -> Principal:
        """Return the signed-in caller.

        Raises Unauthenticated, also if an earlier field of the document has ended the session, or
        Forbidden if the caller lacks `scope`.
        """
        require_live_session()
        return require(self.principal, scope)


def header_text(value: bytes) -> str:
    """Return the text of a header: UTF-8 or else Latin-1, which decodes any bytes."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
