"""Drives the real clients in `clients/`, which run in Node."""

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

Message = dict[str, Any]
"""A line of a client's output; `event` names its kind."""


class Subscriber:
    """A client process that subscribes, reconnects after a lost connection, and reports events."""

    def __init__(self, kind: str, stdin: IO[str], stdout: IO[str]) -> None:
        self.kind = kind
        self.messages: list[Message] = []
        self._stdin = stdin
        self._unread: queue.Queue[Message] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(stdout,), daemon=True)
        self._reader.start()

    def _read(self, stdout: IO[str]) -> None:
        for line in stdout:
            message = json.loads(line)
            self.messages.append(message)
            self._unread.put(message)

    def join(self) -> None:
        """Wait until all output of the client has been read. The client must have ended."""
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

    def wait_for(self, event: str, within: float = 30) -> Message:
        """Return the next message of this kind, and skip those before it."""
        deadline = time.monotonic() + within
        while True:
            try:
                message = self._unread.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(
                    f"{self.kind} sent no {event!r}; its last messages: {self.messages[-5:]}"
                ) from None
            if message["event"] == event:
                return message

    def item(self) -> dict[str, Any]:
        """Return the next item of the feed."""
        message = self.wait_for("next")
        assert "errors" not in message, message
        item: dict[str, Any] = without_type_names(message["data"]["tweetFeed"])
        return item

    def expect_end_of_session(self) -> None:
        """Return when the client has got the reason and the end of the stream."""
        ended, code = "The session has ended.", "SESSION_ENDED"
        if self.kind == "graphql-ws":
            message = self.wait_for("closed")
            assert (message["code"], message["reason"]) == (4401, ended)
            assert self.wait_for("error")["code"] == 4401
        elif self.kind == "apollo":
            message = self.wait_for("error")
            assert message["fatal"]
            assert (message["message"], message["code"]) == (ended, code)
        else:
            while "errors" not in (message := self.wait_for("next")):
                pass
            extensions = {"code": "UNAUTHENTICATED", "reason": code}
            assert message["errors"] == [{"message": ended, "extensions": extensions}]
            self.wait_for("complete")

    @property
    def texts(self) -> list[str]:
        """The texts of the items so far, in order."""
        sent = [each["data"] for each in self.messages if each["event"] == "next"]
        items = [data["tweetFeed"] for data in sent if data]  # without data: errors only
        return [item["tweet"]["text"] for item in items]


def without_type_names(value: Any) -> Any:
    """Return the value without the `__typename` fields that Apollo Client always selects."""
    if isinstance(value, dict):
        return {k: without_type_names(v) for k, v in value.items() if k != "__typename"}
    if isinstance(value, list):
        return [without_type_names(item) for item in value]
    return value


def installed_node() -> str:
    """Return the path of Node, after installing the packages of the clients."""
    return str(install_packages(Commands(Console(io.StringIO()), threading.Event()), CLIENTS))


@contextmanager
def subscriber(kind: str, url: str, *options: str) -> Iterator[Subscriber]:
    """Run the client of this kind while the block runs."""
    command = [installed_node(), str(CLIENTS / f"{kind}.mjs"), url, *options]
    with driven(kind, command) as client:
        yield client


@contextmanager
def driven(kind: str, command: list[str]) -> Iterator[Subscriber]:
    """Run a command that reads and writes lines of JSON while the block runs."""
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
