"""A subscription against a server that closes or breaks the connection."""

import json
from collections.abc import Callable, Iterator
from threading import Thread

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import Server, ServerConnection, serve

from client.api import ApiError
from client.subscription import Subscription

QUERY = "subscription { tick }"
Serve = Callable[[Callable[[ServerConnection], None]], str]


@pytest.fixture
def start_server() -> Iterator[Serve]:
    """Return a function that starts a server with a handler and returns its address."""
    servers: list[tuple[Server, Thread]] = []

    def start(handler: Callable[[ServerConnection], None]) -> str:
        server = serve(handler, "127.0.0.1", 0)
        thread = Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"ws://127.0.0.1:{server.socket.getsockname()[1]}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()


class TestSubscription:
    def test_closed_connection_is_an_error_with_its_code(self, start_server: Serve) -> None:
        url = start_server(lambda connection: connection.close(1012))
        with connect(url, proxy=None) as socket:
            with pytest.raises(ConnectionClosed):
                socket.recv(10)
            with pytest.raises(ApiError, match="closed with 1012"):
                Subscription(socket).start(QUERY, "token")

    def test_broken_connection_is_an_error_without_a_code(self, start_server: Serve) -> None:
        def acknowledge(connection: ServerConnection) -> None:
            connection.recv()
            connection.send(json.dumps({"type": "connection_ack"}))
            connection.recv()
            connection.socket.close()

        with connect(start_server(acknowledge), proxy=None, close_timeout=0) as socket:
            subscription = Subscription(socket)
            subscription.start(QUERY, "token")
            with pytest.raises(ApiError, match="closed with None"):
                subscription.next()
