"""Measure the time from a retweet's answer to its e-mail: `python -m bench.mail_latency`.

The system runs as in `make up`, on free ports: edge, router, tweets, outbox, stream, notifier. A
sink replaces the mailbox.
"""

import argparse
import io
import multiprocessing
import os
import statistics
import tempfile
import threading
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from time import monotonic

import httpx

from bench.mail import TWEET_LINK, Arrivals, serve_sink
from bench.testbed import UNLIMITED
from client.api import Account, connect, expect, run, sign_up
from client.documents import CREATE_TWEET, MAIL_ON_RETWEETS, RETWEET, VERIFY_EMAIL
from client.mailbox import short_code_in
from stack.commands import Commands
from stack.console import Console
from stack.environment import on_free_ports, prepare
from stack.supervisor import Stack


def measure(url: str, arrivals: Arrivals, mails: int) -> list[float]:
    """Return the milliseconds of each mail, sorted; one after another, each to another author."""
    with connect(url) as http:
        authors = [_author(http, arrivals) for _ in range(mails)]
        grace = sign_up(http)
        arrivals.get(timeout=30)
        took = []
        for ada in authors:
            tweet_id = run(http, CREATE_TWEET, ada, text="Hello")["createTweet"]["id"]
            run(http, RETWEET, grace, id=tweet_id)
            answered = monotonic()
            arrived, raw = arrivals.get(timeout=30)
            link = TWEET_LINK.search(raw.replace(b"=\r\n", b""))
            if link is None or link[1].decode() != tweet_id:
                raise RuntimeError("The mail that arrived is about another tweet.")
            took.append((arrived - answered) * 1000)
    return sorted(took)


def _author(http: httpx.Client, arrivals: Arrivals) -> Account:
    """Sign up, verify the address, and opt in."""
    author = sign_up(http)
    _, raw = arrivals.get(timeout=30)
    code = short_code_in(message_from_bytes(raw, policy=default))
    expect("EmailVerified", run(http, VERIFY_EMAIL, author, code=code)["verifyEmail"])
    run(http, MAIL_ON_RETWEETS, author)
    return author


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.mail_latency", description=__doc__)
    parser.add_argument("--mails", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chirp-bench-") as directory:
        folder = Path(directory)
        ports = on_free_ports()
        kept = {name: os.environ[name] for name in ("ROUTER_BIN",) if name in os.environ}
        settings = prepare(
            folder / "env",
            {**kept, **ports, **UNLIMITED, "MAILBOX_PORT": "0"},
        )
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
            stack.start_pages(wait=True)
            took = measure(stack.url("edge"), arrivals, arguments.mails)
        finally:
            stack.stop()
            sink.terminate()
    print(
        f"from the retweet's answer to the SMTP server, {len(took)} mails, {stack.kind}: "
        f"median {statistics.median(took):.1f} ms, p99 {took[int(len(took) * 0.99)]:.1f} ms "
        "(negative: the mail arrived before the answer)"
    )


if __name__ == "__main__":
    main()
