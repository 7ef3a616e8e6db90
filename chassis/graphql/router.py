"""Sends queries to the router, on behalf of a caller that the edge has verified."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from chassis.background import Backoff
from chassis.principal import ROUTER_SECRET_HEADER, Principal
from chassis.tracing import traceparent

_TIMEOUT = 26.0
"""Seconds for one query: above the router's own limit (25 s), so that the router answers first."""
_CONNECT_TIMEOUT = 2.0
_CONCURRENT = 64
"""Queries of one process at a time. Further ones wait, those of an outage included."""
_LONGEST_WAIT = 2.0

_TRACE = b"traceparent"
_FORWARDED = (b"x-client-address", b"x-request-id", b"user-agent", _TRACE)
"""Headers of the edge that the router passes on to the subgraphs."""
_BUSY = {429, 502, 503}
"""Statuses of a router that has not tried: it starts, stops, or has too many requests."""


class RouterFailedError(Exception):
    """The router has tried, and has no answer: it failed or was too slow."""


class _RouterAwayError(Exception):
    """The router has not seen the query."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A GraphQL response of the router."""

    is_executed: bool
    """False for a query that the router has refused."""
    data: Mapping[str, Any] | None
    errors: list[dict[str, Any]]


class Router:
    """A client of the router."""

    def __init__(self, url: str, secret: str) -> None:
        """`url` is the address of GraphQL; `secret` proves to the subgraphs who sets identities."""
        self._url = url
        self._secret = secret.encode()
        self._client: httpx.AsyncClient | None = None
        self._slots = asyncio.Semaphore(_CONCURRENT)
        self._backoff = Backoff("complete subscriptions", longest=_LONGEST_WAIT)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep connections open while the block runs."""
        async with httpx.AsyncClient(
            timeout=httpx.Timeout(_TIMEOUT, connect=_CONNECT_TIMEOUT),
            limits=httpx.Limits(max_connections=_CONCURRENT, keepalive_expiry=4),
            trust_env=False,
            # Reading the authorities' certificates takes longer than a start.
            verify=self._url.startswith("https:"),
        ) as self._client:
            yield

    async def query(
        self,
        text: str,
        operation_name: str | None,
        variables: Mapping[str, Any],
        caller: Principal,
        headers: list[tuple[bytes, bytes]],
    ) -> Answer:
        """Return the router's answer; waits while the router is away.

        `headers` are those of the caller's request, as the edge sent them; the query is part of the
        current trace, else of that of the request. Raises RouterFailedError.
        """
        request: dict[str, Any] = {"query": text, "variables": variables}
        if operation_name:
            request["operationName"] = operation_name
        body = orjson.dumps(request)
        all_headers = self._headers(caller, headers)
        async with self._slots:
            while True:
                try:
                    answer = await self._send(body, all_headers)
                except _RouterAwayError as error:
                    await self._backoff.wait(error)
                else:
                    self._backoff.reset()
                    return answer

    def _headers(
        self, caller: Principal, headers: list[tuple[bytes, bytes]]
    ) -> list[tuple[bytes, bytes]]:
        forwarded = {name: value for name, value in headers if name in _FORWARDED}
        if trace := traceparent():
            forwarded[_TRACE] = trace.encode()
        return [
            (b"content-type", b"application/json"),
            (b"accept", b"application/json"),
            (ROUTER_SECRET_HEADER.encode(), self._secret),
            *((name.encode(), value.encode()) for name, value in caller.headers().items()),
            *forwarded.items(),
        ]

    async def _send(self, body: bytes, headers: list[tuple[bytes, bytes]]) -> Answer:
        assert self._client is not None, "the router is used before `running`"  # noqa: S101
        try:
            response = await self._client.post(self._url, content=body, headers=headers)
        except (httpx.ReadTimeout, httpx.WriteTimeout) as error:
            raise RouterFailedError("time-out") from error
        except httpx.TransportError as error:
            raise _RouterAwayError(f"{type(error).__name__}: {error}") from error
        if response.status_code in _BUSY:
            raise _RouterAwayError(f"status {response.status_code}")
        return _answer(response)


def _answer(response: httpx.Response) -> Answer:
    """Return the GraphQL response. Raises RouterFailedError."""
    try:
        answer = orjson.loads(response.content)
        errors = answer.get("errors") or []
        is_executed = "data" in answer
        if (is_executed or errors) and response.status_code < 500:
            return Answer(is_executed, answer.get("data"), errors)
    except (ValueError, AttributeError):
        pass
    raise RouterFailedError(f"status {response.status_code}")
