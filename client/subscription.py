"""A subscription over a WebSocket, as a browser opens it (graphql-transport-ws)."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import sleep
from typing import Any

from websockets import Subprotocol
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from client.api import PATH, ApiError, Data, bearer

SESSION_ENDED = 4401
"""The close code of a connection whose session has ended."""

_TIMEOUT = 10.0  # seconds
_START = 0.5  # seconds: the protocol does not acknowledge the start of a subscription


class Subscription:
    """Every method raises ApiError."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    def start(self, query: str, token: str) -> None:
        self._send({"type": "connection_init", "payload": bearer(token)})
        self._expect("connection_ack")
        self._send({"type": "subscribe", "id": "1", "payload": {"query": query}})
        sleep(_START)

    def next(self) -> Data:
        """Return the data of the next event."""
        data: Data = self._expect("next")["payload"]["data"]
        return data

    def expect_end(self) -> None:
        """Return when the server closes the connection because the session has ended."""
        try:
            while True:
                self._receive()
        except ConnectionClosed as closed:
            if _code(closed) != SESSION_ENDED:
                raise _closed(closed) from None

    def expect_end_at_once(self) -> None:
        """Return when the server closes the connection, before any further event."""
        try:
            self._expect("next")
        except ApiError as error:
            if error.problem != _closed_with(SESSION_ENDED):
                raise
        else:
            raise ApiError("an event was delivered after the session had ended")

    def _expect(self, kind: str) -> dict[str, Any]:
        try:
            while True:
                message = self._receive()
                if message["type"] == kind:
                    return message
                if message["type"] != "ping":
                    raise ApiError(f"a message of type {message['type']}")
        except ConnectionClosed as closed:
            raise _closed(closed) from None

    def _receive(self) -> dict[str, Any]:
        try:
            message: dict[str, Any] = json.loads(self._socket.recv(_TIMEOUT))
        except TimeoutError:
            raise ApiError(f"no message for {_TIMEOUT:g} s") from None
        return message

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._socket.send(json.dumps(message))
        except ConnectionClosed as closed:
            raise _closed(closed) from None


def _code(closed: ConnectionClosed) -> int | None:
    """Return the server's close code, None if the connection broke."""
    return closed.rcvd.code if closed.rcvd else None


def _closed(closed: ConnectionClosed) -> ApiError:
    return ApiError(_closed_with(_code(closed)))


def _closed_with(code: int | None) -> str:
    return f"the subscription was closed with {code}"


@contextmanager
def subscribed(
    url: str, query: str, token: str, *, path: str = PATH, headers: Mapping[str, str] | None = None
) -> Iterator[Subscription]:
    """Keep a subscription open in the block; `url` is the edge's, as for HTTP. Raises ApiError.

    `path` and `headers` are for a process behind the edge.
    """
    address = f"{url.rstrip('/').replace('http', 'ws', 1)}{path}"
    protocol = Subprotocol("graphql-transport-ws")
    try:
        socket = connect(
            address,
            subprotocols=[protocol],
            additional_headers=headers,
            open_timeout=_TIMEOUT,
            proxy=None,
        )
    except (WebSocketException, OSError) as error:
        raise ApiError(f"no subscription ({type(error).__name__})") from error
    with socket:
        subscription = Subscription(socket)
        subscription.start(query, token)
        yield subscription
