"""Subscribers behind the edge that stop reading: what they cost, and what they miss."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from time import sleep
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from client.api import Account
from tests.e2e.roll_over import listen, own_tweets, tweet
from tests.e2e.subscribers import subscriber
from tests.stack import ON_ONE_ROUTER, RunningStack, eventually

pytestmark = [pytest.mark.needs("tweets"), ON_ONE_ROUTER]

SignUp = Callable[[], Account]
READERS = 5
BATCH = 20
MOST = 60 * BATCH
PAUSE = 0.5
"""Seconds after each batch: on a fast machine, too, all batches take longer than a reader has."""
LONG = "👩‍👩‍👧‍👦" * 270
"""7 KB."""
COPIES = 12
"""With so many copies of a text in an item, a few tweets fill the kernel's buffers on the way."""
COPIED = " ".join(f"copy{number}: text" for number in range(COPIES))
COPIED_FEED = f"""subscription Feed($after: String) {{
    tweetFeed(after: $after) {{ cursor tweet {{ text {COPIED} }} }}
}}"""
CONNECTIONS = re.compile(r'^chirp_subscription_connections\{transport="websocket"\} (\d+)', re.M)


class SlowReader:
    """A client on graphql-transport-ws that reads only when it is told to."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.items: list[dict[str, Any]] = []

    def read(self) -> None:
        """Read until the server ends the connection."""
        try:
            while True:
                self._take(self._connection.recv(timeout=20))
        except ConnectionClosed:
            pass

    def read_until(self, text: str) -> None:
        while not self.items or self.items[-1]["tweet"]["text"] != text:
            self._take(self._connection.recv(timeout=20))

    def _take(self, message: str | bytes) -> None:
        self.items.append(json.loads(message)["payload"]["data"]["tweetFeed"])

    @property
    def texts(self) -> list[str]:
        return [item["tweet"]["text"] for item in self.items]


@contextmanager
def slow_reader(url: str, account: Account, **variables: Any) -> Iterator[SlowReader]:
    """Subscribe with a small receive buffer, and a client that stops to fill its own."""
    parts = urlsplit(url)
    with socket.socket() as unread:
        unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        unread.connect((parts.hostname, parts.port))
        with connect(
            f"ws://{parts.netloc}/graphql",
            sock=unread,
            subprotocols=[Subprotocol("graphql-transport-ws")],
            compression=None,
            proxy=None,
            max_queue=1,
            close_timeout=0.1,
            ping_interval=None,
        ) as connection:
            init = {"type": "connection_init", "payload": account.headers}
            connection.send(json.dumps(init))
            assert json.loads(connection.recv(timeout=10)) == {"type": "connection_ack"}
            payload = {"query": COPIED_FEED, "variables": variables}
            connection.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            yield SlowReader(connection)


def sockets(stack: RunningStack) -> int:
    found = CONNECTIONS.search(httpx.get(f"{stack.tweets_url}/metrics").text)
    assert found, "tweets exports the number of its sockets"
    return int(found[1])


def memory(url: str) -> int:
    """Return the resident memory of the process that listens there."""
    port = urlsplit(url).port
    [pid] = {
        found.pid
        for found in psutil.net_connections("tcp")
        if found.status == psutil.CONN_LISTEN
        and found.pid
        and getattr(found.laddr, "port", None) == port
    }
    return int(psutil.Process(pid).memory_info().rss)


class TestSlowReaders:
    def test_slow_readers_are_ended_in_time_cost_little_and_miss_nothing(
        self, stack: RunningStack, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        with ExitStack() as running:
            healthy = running.enter_context(subscriber("graphql-ws", f"{stack.url}/graphql"))
            listen(healthy, edge, ada)
            slow = [running.enter_context(slow_reader(stack.url, ada)) for _ in range(READERS)]
            eventually(lambda: sockets(stack) == READERS + 1, "all have subscribed")
            tweet(edge, ada, "the first")
            for reader in slow:
                reader.read_until("the first")

            before = {url: memory(url) for url in (stack.url, stack.tweets_url)}
            written = self.write_until_they_end(stack, edge, ada)
            grown = {url: memory(url) - before[url] for url in before}
            unread = written * len(LONG.encode()) * (1 + COPIES) * READERS
            for url, bytes_ in grown.items():
                assert bytes_ < unread / 4, f"{url} keeps {bytes_} of {unread} unread bytes"
            assert stack.log.read_text().count("code=1013") >= READERS, "too slow, try again"

            tweet(edge, ada, "the last")
            eventually(lambda: "the last" in healthy.texts, "the healthy one gets every tweet")
            # Tweets that are written at once may have another order in the feed than by their ids.
            written_texts = own_tweets(edge, ada)
            started = written_texts.index(healthy.texts[0])
            assert sorted(healthy.texts) == sorted(written_texts[started:])

            for reader in slow:
                reader.read()
                assert "the last" not in reader.texts, "it was ended"
                cursor = reader.items[-1]["cursor"]
                with slow_reader(stack.url, ada, after=cursor) as resumed:
                    resumed.read_until("the last")
                got = reader.texts + resumed.texts
                assert got == healthy.texts[healthy.texts.index("the first") :]

    def write_until_they_end(self, stack: RunningStack, edge: httpx.Client, ada: Account) -> int:
        """Tweet until only the healthy subscriber is connected; return the number of tweets."""
        with ThreadPoolExecutor(4) as pool:
            for first in range(0, MOST, BATCH):
                numbers = range(first, first + BATCH)
                _ = [*pool.map(lambda number: tweet(edge, ada, f"{number} {LONG}"), numbers)]
                if sockets(stack) == 1:
                    return first + BATCH
                sleep(PAUSE)
        raise AssertionError(f"after {MOST} tweets there are {sockets(stack)} sockets")
