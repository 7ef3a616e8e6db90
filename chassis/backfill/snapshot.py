"""The current state of an owner as pages of events: the route that serves it, and the client."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, request_response

from chassis.errors import error_response
from chassis.events import Event
from chassis.principal import ROUTER_SECRET_HEADER, TrustedCallers

PATH = "/events/snapshot"
"""The path on the service's own port. The edge has no route to it."""

LARGEST_PAGE = 500
_TIMEOUT = 5.0
"""Seconds for connecting, and for each wait for more of a response."""
_PAGE_TIMEOUT = 3 * _TIMEOUT
_LARGEST_BODY = 16 * 1024 * 1024  # bytes
_BEFORE_ALL = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of an owner's state: events as JSON, and the cursor `next`, None on the last page."""

    events: Sequence[str]
    next: str | None


ReadPage = Callable[[str | None, int], Awaitable[Page]]
"""Returns the page after a cursor (None for the first page) with at most so many events.

Raises ValueError for an invalid cursor. A page shows the state at one moment.
"""


def by_id(read: Callable[[UUID, int], Awaitable[Sequence[tuple[UUID, Event]]]]) -> ReadPage:
    """Return the pages of rows in the order of their ids.

    `read` returns the ids and events of at most `limit` rows whose id is greater than the given id.
    """

    async def page(after: str | None, limit: int) -> Page:
        rows = await read(_BEFORE_ALL if after is None else UUID(after), limit)
        cursor = str(rows[-1][0]) if len(rows) == limit else None
        return Page([event.to_json() for _, event in rows], cursor)

    return page


def snapshot_route(page: ReadPage, router_secret: str) -> Route:
    """Return the route for `GET /events/snapshot?after=<cursor>&limit=<n>`.

    It answers `{"events": […], "next": "…"}` to callers with the router's secret.
    """

    async def endpoint(request: Request) -> Response:
        limit = request.query_params.get("limit", str(LARGEST_PAGE))
        if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= LARGEST_PAGE:
            message = f"limit must be a whole number between 1 and {LARGEST_PAGE}."
            return error_response(400, "BAD_REQUEST", message)
        try:
            found = await page(request.query_params.get("after"), int(limit))
        except ValueError:
            message = "after is not a cursor of this service. Use `next` of the previous page."
            return error_response(400, "BAD_REQUEST", message)
        body = f'{{"events":[{",".join(found.events)}],"next":{json.dumps(found.next)}}}'
        return Response(body, media_type="application/json", headers={"cache-control": "no-store"})

    async def get_only(request: Request) -> Response:
        if request.method != "GET":
            response = error_response(405, "BAD_REQUEST", "Use GET.")
            response.headers["allow"] = "GET"
            return response
        return await endpoint(request)

    return Route(PATH, TrustedCallers(request_response(get_only), router_secret))


class OwnerUnavailableError(Exception):
    """An owner does not answer with a page. The message has its address and no secret."""


class Owner(Protocol):
    """A service whose events are consumed."""

    @property
    def name(self) -> str: ...

    @property
    def stream(self) -> str: ...

    async def page(self, after: str | None, limit: int) -> Page:
        """Raises OwnerUnavailableError."""


@dataclass(frozen=True, slots=True)
class HttpOwner:
    """Fetches the pages of an owner over HTTP."""

    name: str
    stream: str
    url: str
    router_secret: str

    async def page(self, after: str | None, limit: int) -> Page:
        """Raises OwnerUnavailableError."""
        query = {"limit": limit} if after is None else {"limit": limit, "after": after}
        try:
            async with asyncio.timeout(_PAGE_TIMEOUT):
                # The client of the standard library, in a thread: services need no other package.
                return _page(await asyncio.to_thread(self._get, f"{PATH}?{urlencode(query)}"))
        except (OSError, TimeoutError, HTTPException, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise OwnerUnavailableError(f"{self.name} at {self.url}: {reason}") from error

    def _get(self, target: str) -> bytes:
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT)
        try:
            path = parts.path.rstrip("/") + target
            connection.request("GET", path, headers={ROUTER_SECRET_HEADER: self.router_secret})
            response = connection.getresponse()
            body = response.read(_LARGEST_BODY + 1)
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(f"status {response.status}")
        if len(body) > _LARGEST_BODY:
            raise ValueError(f"the page is larger than {_LARGEST_BODY} bytes")
        return body


def _page(body: bytes) -> Page:
    """Return the page in a response. Raises ValueError."""
    try:
        answer: Any = json.loads(body)
        events, cursor = answer["events"], answer["next"]
    except (ValueError, RecursionError, TypeError, KeyError):
        raise ValueError("the answer is not a page of events") from None
    if not isinstance(events, list) or not (cursor is None or isinstance(cursor, str)):
        raise ValueError("the answer is not a page of events")
    return Page([json.dumps(event, separators=(",", ":")) for event in events], cursor)
