"""What every resolver finds in `info.context`; services add their loaders and use cases."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from starlette.requests import HTTPConnection

from chassis.principal import Principal, principal_from, require
from chassis.sessions.guard import require_live_session


@dataclass(kw_only=True)
class RequestContext:
    """One operation's caller."""

    principal: Principal | None
    client_address: str
    user_agent: str
    operation: str = field(default="unknown", init=False)
    """The root field that was asked for, as the schema calls it."""
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
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in reversed(connection.scope["headers"])
        }
        return {
            "principal": principal or principal_from(headers),
            "client_address": headers.get("x-client-address", ""),
            "user_agent": headers.get("user-agent", ""),
        }

    def require(self, scope: StrEnum | None = None) -> Principal:
        """Return the signed-in caller.

        Raises Unauthenticated, also when an earlier field of the document has ended the session,
        or Forbidden where `scope` is missing.
        """
        require_live_session()
        return require(self.principal, scope)
