"""Binds the work of a request to the session and the device that sent it (docs/adr/0026)."""

from contextvars import ContextVar

from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.graphql.context import header_text
from chassis.graphql.ids import parse_id
from subgraphs.auth.domain import Device
from subgraphs.auth.security_events import Origin

_request: ContextVar[Scope | None] = ContextVar("request", default=None)


class BoundOrigin:
    """ASGI middleware: makes the request known to `current_origin`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        token = _request.set(scope)
        try:
            await self._app(scope, receive, send)
        finally:
            _request.reset(token)


def current_origin() -> Origin:
    """Return the origin of the running request, by the headers that the edge sets.

    They are read when an event is recorded, because few requests cause one.
    """
    scope = _request.get()
    if scope is None:
        return Origin()
    headers = {name: header_text(value) for name, value in reversed(scope["headers"])}
    return Origin(
        Device.seen(headers.get(b"user-agent", ""), headers.get(b"x-client-address", "")),
        parse_id(headers.get(b"x-auth-session-id", "")),
    )
