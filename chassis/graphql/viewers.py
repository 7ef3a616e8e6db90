"""For whom an event of a subscription is executed, and what such an execution may read unnoticed.

An event is executed once for all connections of a user that have the same scopes. An execution may
use everything else of the connection that it runs for, but that is recorded, and its result is then
for this session, or this connection, only (docs/adr/0031).
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from starlette.requests import HTTPConnection
from starlette.types import Scope

from chassis.principal import Principal
from graphql_streams import Reads, Viewer

_SESSION = 2
"""The number of parts of a viewer up to the session."""
_CONNECTION = 3
_OF_CLIENT = ("x-client-address", "user-agent")


def viewer_of(principal: Principal, headers: Mapping[str, str], operation: object) -> Viewer:
    """Return the parts of an operation's caller: the user, the session, the operation itself.

    The client's address and program are part of the session: the router gets them with it.
    """
    return (
        (principal.user_id, principal.username, principal.scopes),
        (principal.session_id, principal.expires_at, *map(headers.get, _OF_CLIENT)),
        operation,
    )


class SharedPrincipal(Principal):
    """A principal that records when its session or its expiry is read."""

    __slots__ = ("_principal", "_reads")

    _principal: Principal
    _reads: Reads

    def __init__(self, principal: Principal, reads: Reads) -> None:
        assign = object.__setattr__  # a principal is frozen
        assign(self, "user_id", principal.user_id)
        assign(self, "username", principal.username)
        assign(self, "scopes", principal.scopes)
        assign(self, "_principal", principal)
        assign(self, "_reads", reads)

    @property
    def session_id(self) -> UUID:
        self._reads.note(_SESSION)
        return self._principal.session_id

    @property
    def expires_at(self) -> datetime:
        self._reads.note(_SESSION)
        return self._principal.expires_at


class SharedConnection(HTTPConnection):
    """A connection that records when anything of it is read."""

    def __init__(self, scope: Scope, reads: Reads) -> None:
        self._scope = scope
        self._reads = reads

    @property
    def scope(self) -> Scope:  # type: ignore[override]
        self._reads.note(_CONNECTION)
        return self._scope
