"""How long a mail takes from the retweet's answer on: `python -m bench.mail_latency`.

The whole system as `make up` runs it, on free ports: edge, router, tweets, outbox, stream,
notifier, and a sink in place of the mailbox.
"""

import argparse
import io
import json
import multiprocessing
import os
import secrets
import statistics
import tempfile
import threading
import urllib.request
from pathlib import Path
from time import monotonic
from typing import Any

from bench.mail import TWEET_LINK, Arrivals, serve_sink
from stack.commands import Commands
from stack.console import Console
from stack.environment import on_free_ports, prepare
from stack.supervisor import Stack

SIGN_UP = """mutation ($input: SignUpInput!) { signUp(input: $input) {
    ... on SignedIn { accessToken } } }"""
OPT_IN = "mutation { updateEmailSettings(input: {retweets: true}) { retweets } }"
CREATE = 'mutation { createTweet(input: {text: "Hello"}) { ... on Tweet { id } } }'
RETWEET = "mutation ($id: ID!) { retweet(tweetId: $id) { ... on Tweet { id } } }"


class Person:
    def __init__(self, url: str) -> None:
        self._url = f"{url}/graphql"
        self._headers = {"content-type": "application/json"}
        name = f"u{secrets.token_hex(6)}"
        given = {"username": name, "email": f"{name}@example.com", "password": "correct horse"}
        token = self.run(SIGN_UP, input=given)["signUp"]["accessToken"]
        self._headers["authorization"] = f"Bearer {token}"

    def run(self, query: str, **variables: object) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self._url, body, self._headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            data: dict[str, Any] = json.load(answer)["data"]
        return data


def measure(url: str, arrivals: Arrivals, mails: int) -> list[float]:
    """Milliseconds of each mail, sorted; one at a time, each to another person."""
    authors, grace = [Person(url) for _ in range(mails)], Person(url)
    for ada in authors:
        ada.run(OPT_IN)
    took = []
    for ada in authors:
        tweet_id = ada.run(CREATE)["createTweet"]["id"]
        grace.run(RETWEET, id=tweet_id)
        answered = monotonic()
        arrived, raw = arrivals.get(timeout=30)
        link = TWEET_LINK.search(raw.replace(b"=\r\n", b""))
        if link is None or link[1].decode() != tweet_id:
            raise RuntimeError("another mail came than was expected")
        took.append((arrived - answered) * 1000)
    return sorted(took)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.mail_latency", description=__doc__)
    parser.add_argument("--mails", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chirp-bench-") as directory:
        folder = Path(directory)
        ports = on_free_ports()
        kept = {name: os.environ[name] for name in ("ROUTER_BIN",) if name in os.environ}
        settings = prepare(folder / "env", {**kept, **ports, "MAILBOX_PORT": "0"})
        arrivals: Arrivals = multiprocessing.Queue()
        sink = multiprocessing.Process(
            target=serve_sink, args=(int(ports["MAIL_PORT"]), arrivals), daemon=True
        )
        stack = Stack(
            settings, folder / "data", Commands(Console(io.StringIO()), threading.Event())
        )
        try:
            sink.start()
            stack.start()
            took = measure(stack.url("edge"), arrivals, arguments.mails)
        finally:
            stack.stop()
            sink.terminate()
    print(
        f"from the retweet's answer to the SMTP server, {len(took)} mails, {stack.kind}: "
        f"median {statistics.median(took):.1f} ms, p99 {took[int(len(took) * 0.99)]:.1f} ms "
        "(below zero: the mail was there first)"
    )


if __name__ == "__main__":
    main()
