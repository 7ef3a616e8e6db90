"""Somebody's open feed, over a WebSocket as a browser has it (graphql-transport-ws)."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep
from typing import Any

from websockets import Subprotocol
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from deploy.prober.person import StepFailedError

FEED = "subscription { tweetFeed { kind tweet { id } actor { username } } }"
SESSION_ENDED = 4403
_PATIENCE = 10.0  # seconds
_BEGINS = 0.5  # seconds: the protocol does not say when a subscription has begun


class Subscription:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    def begin(self, token: str | None) -> None:
        payload = {"authorization": f"Bearer {token}"}
        self._send({"type": "connection_init", "payload": payload})
        self._expect("connection_ack")
        self._send({"type": "subscribe", "id": "1", "payload": {"query": FEED}})
        sleep(_BEGINS)

    def next(self) -> dict[str, Any]:
        """What is new next."""
        message = self._expect("next")
        item: dict[str, Any] = message["payload"]["data"]["tweetFeed"]
        return item

    def expect_end(self) -> None:
        """The session is over, so the other side hangs up and says so."""
        try:
            while True:
                self._receive()
        except ConnectionClosed as closed:
            if _code(closed) != SESSION_ENDED:
                raise _closed(closed) from None

    def _expect(self, kind: str) -> dict[str, Any]:
        try:
            while True:
                message = self._receive()
                if message["type"] == kind:
                    return message
                if message["type"] != "ping":
                    raise StepFailedError(f"a message of the type {message['type']}")
        except ConnectionClosed as closed:
            raise _closed(closed) from None

    def _receive(self) -> dict[str, Any]:
        try:
            message: dict[str, Any] = json.loads(self._socket.recv(_PATIENCE))
        except TimeoutError:
            raise StepFailedError("nothing came over the subscription") from None
        return message

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._socket.send(json.dumps(message))
        except ConnectionClosed as closed:
            raise _closed(closed) from None


def _code(closed: ConnectionClosed) -> int | None:
    """What the other side closed with; None if the connection broke."""
    return closed.rcvd.code if closed.rcvd else None


def _closed(closed: ConnectionClosed) -> StepFailedError:
    return StepFailedError(f"the subscription was closed with {_code(closed)}")


@contextmanager
def subscribing(url: str, token: str | None) -> Iterator[Subscription]:
    """`url` is the edge's, as for HTTP. Raises StepFailedError."""
    address = f"{url.rstrip('/').replace('http', 'ws', 1)}/graphql"
    protocol = Subprotocol("graphql-transport-ws")
    try:
        socket = connect(address, subprotocols=[protocol], open_timeout=_PATIENCE, proxy=None)
    except (WebSocketException, OSError) as error:
        raise StepFailedError(f"no subscription ({type(error).__name__})") from error
    with socket:
        subscription = Subscription(socket)
        subscription.begin(token)
        yield subscription
