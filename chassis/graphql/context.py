"""What every resolver finds in `info.context`; services add their loaders and use cases."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from starlette.requests import HTTPConnection

from chassis.principal import Principal, principal_from, require
from chassis.sessions.guard import require_live_session

MUTATIONS_HEADER = "x-router-mutations"
"""How many mutations of one client request have run: the gateway gives the sum of its earlier
fetches, a subgraph answers with its own. The edge removes what a client sends."""


@dataclass(kw_only=True)
class RequestContext:
    """One operation's caller."""

    principal: Principal | None
    client_address: str
    user_agent: str
    operation: str = field(default="unknown", init=False)
    """The root field that was asked for, as the schema calls it."""
    mutations_before: int = 0
    """Mutations that earlier fetches of the same client request have run."""
    mutations: int = field(default=0, init=False)
    """Mutations that this fetch runs."""
    outcome: str | None = field(default=None, init=False)
    """The type of an expected outcome that is not what the caller wanted."""

    @classmethod
    def caller(
        cls, connection: HTTPConnection, principal: Principal | None = None
    ) -> dict[str, Any]:
        """The fields of this class, read from what the edge sent along.

        `principal` is given where the caller is known from elsewhere (a socket's first message).
        """
        # Starlette's headers would be gone through, encoded and decoded, for each one asked for. Of
        # several with one name the first counts, as there.
        headers = {
            name.decode("latin-1"): _text(value)
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
        """Return the context of one operation; `own` are the fields that the service adds."""
        return cls(**cls.caller(connection, principal), **own)

    def require(self, scope: StrEnum | None = None) -> Principal:
        """Return the signed-in caller.

        Raises Unauthenticated, also when an earlier field of the document has ended the session,
        or Forbidden where `scope` is missing.
        """
        require_live_session()
        return require(self.principal, scope)


def _text(value: bytes) -> str:
    """A header's value: UTF-8 where it is, else Latin-1, which HTTP once was and never fails."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
