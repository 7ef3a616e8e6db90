"""Drives the clients in `clients/`, real ones in Node, from a test."""

import io
import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from stack.commands import Commands
from stack.console import Console
from stack.node import install_packages

CLIENTS = Path(__file__).with_name("clients")
KINDS = ["apollo", "graphql-ws", "graphql-sse"]
FEED = """subscription Feed($after: String) { tweetFeed(after: $after) {
    cursor kind actor { id username } tweet { id text author { username } retweetCount }
} }"""

Told = dict[str, Any]


class Subscriber:
    """A client in a process of its own, which subscribes, comes back after a cut, and tells."""

    def __init__(self, kind: str, stdin: IO[str], stdout: IO[str]) -> None:
        self.kind = kind
        self.told: list[Told] = []
        self._stdin = stdin
        self._news: queue.Queue[Told] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(stdout,), daemon=True)
        self._reader.start()

    def _read(self, stdout: IO[str]) -> None:
        for line in stdout:
            told = json.loads(line)
            self.told.append(told)
            self._news.put(told)

    def join(self) -> None:
        """Wait until all that the client wrote has been read; it must have ended before."""
        self._reader.join()

    @property
    def is_read(self) -> bool:
        """Whether a thread still reads the client's output."""
        return self._reader.is_alive()

    def do(self, what: str, **arguments: Any) -> None:
        self._stdin.write(json.dumps({"do": what, **arguments}) + "\n")
        self._stdin.flush()

    def subscribe(
        self, token: str | None, query: str = FEED, id_: str = "1", **variables: Any
    ) -> None:
        if token:
            self.do("token", token=token)
        self.do("subscribe", id=id_, query=query, variables=variables)

    def wait_for(self, event: str, within: float = 30) -> Told:
        """The next thing of this kind that it tells; what it tells before is passed over."""
        deadline = time.monotonic() + within
        while True:
            try:
                told = self._news.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(
                    f"{self.kind} never told of {event!r}; it told {self.told[-5:]}"
                ) from None
            if told["event"] == event:
                return told

    def item(self) -> dict[str, Any]:
        """What the next event of the feed holds."""
        told = self.wait_for("next")
        assert "errors" not in told, told
        item: dict[str, Any] = without_type_names(told["data"]["tweetFeed"])
        return item

    @property
    def texts(self) -> list[str]:
        """Of all the tweets that it was told of, in order."""
        return [t["data"]["tweetFeed"]["tweet"]["text"] for t in self.told if t["event"] == "next"]


def without_type_names(value: Any) -> Any:
    """Apollo Client asks for them whether one wants to or not."""
    if isinstance(value, dict):
        return {k: without_type_names(v) for k, v in value.items() if k != "__typename"}
    return value


@contextmanager
def subscriber(kind: str, url: str) -> Iterator[Subscriber]:
    """Run the client of this kind while the block runs."""
    node = install_packages(Commands(Console(io.StringIO()), threading.Event()), CLIENTS)
    with driven(kind, [str(node), str(CLIENTS / f"{kind}.mjs"), url]) as client:
        yield client


@contextmanager
def driven(kind: str, command: list[str]) -> Iterator[Subscriber]:
    """Run a command that takes and writes lines while the block runs."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        client = Subscriber(kind, process.stdin, process.stdout)
        try:
            client.wait_for("ready")
            yield client
        finally:
            process.kill()
            # The pipe must not close under the thread that reads it.
            client.join()


Subscribe = Callable[[str], Subscriber]
