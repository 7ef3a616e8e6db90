"""Profile one `myTweets` in the tweets process: `python -m bench.profile`.

The application runs in this process on a real PostgreSQL; a few tasks call its ASGI interface. A
timer samples the stack by processor time. A sample belongs to the innermost layer on its stack, so
a layer's share is its own work, without the layers that it calls or waits for.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from time import process_time
from types import FrameType
from typing import Any, Self

import uvloop

from bench.__main__ import RESULTS
from bench.seed import fill
from bench.testbed import running_testbed
from bench.timeline import BODY, READER, identity
from chassis.logging import configure_logging
from chassis.server import settle
from chassis.settings import Stage
from chassis.shutdown import Shutdown
from stack.services import settings_of
from subgraphs.tweets.app import create_app
from subgraphs.tweets.settings import Settings

LAYERS = {
    "databases, SQLAlchemy": ("databases/", "sqlalchemy/"),
    "asyncpg": ("asyncpg/",),
    "the unit of work and SQL (chassis/database.py)": ("chassis/database.py",),
    "rows to entities (repository)": ("subgraphs/tweets/repository/", "tweets/domain.py"),
    "entities to GraphQL types (types.py)": ("subgraphs/tweets/types.py",),
    "documents: extensions, parser, validation": (
        *("strawberry/extensions/", "graphql/language/", "graphql/validation/"),
        "chassis/graphql/documents.py",
    ),
    "the executor": ("graphql/", "strawberry_compiled/", "chassis/graphql/schema.py",
                     "chassis/graphql/scalars.py", "<selection>", "strawberry/"),
    "context and loaders": ("strawberry/dataloader.py", "chassis/graphql/context.py",
                            "chassis/principal.py", "subgraphs/tweets/context.py"),
    "the view": ("strawberry/http/", "strawberry/asgi/", "cross_web/", "chassis/graphql/view.py"),
    "the request log": ("structlog/", "chassis/logging.py", "logging/__init__.py"),
    "Starlette": ("starlette/", "chassis/app.py"),
}  # fmt: skip


class Sampler:
    """Counts the layer that runs, every millisecond of processor time."""

    def __init__(self) -> None:
        self.layers: Counter[str] = Counter()
        self.functions: Counter[str] = Counter()

    def __enter__(self) -> Self:
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _sample(self, _: int, frame: FrameType | None) -> None:
        if frame is not None:
            code = frame.f_code
            self.functions[f"{'/'.join(code.co_filename.split('/')[-3:])}:{code.co_qualname}"] += 1
        while frame is not None:
            if layer := _layer(frame.f_code.co_filename):
                self.layers[layer] += 1
                return
            frame = frame.f_back
        self.layers["the event loop, and the rest"] += 1


def _layer(file: str) -> str | None:
    # The longest matching path of LAYERS is the most specific one.
    found = [
        (len(p), name) for name, parts in LAYERS.items() for p in parts if f"/{p}" in f"/{file}"
    ]
    return max(found)[1] if found and "bench" not in file else None


async def ask(app: Any, headers: list[tuple[bytes, bytes]], times: int) -> int:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "asgi": {"version": "3.0"},
    }
    size = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal size
        assert message.get("status", 200) == 200
        size += len(message.get("body", b""))

    for _ in range(times):
        await app(dict(scope), receive, send)
    return size


async def profile(settings: Settings, given: dict[str, str], requests: int) -> dict[str, Any]:
    app = create_app(settings, Shutdown())
    headers = [(name.encode(), value.encode()) for name, value in given.items()]
    headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
    async with app.router.lifespan_context(app):
        await ask(app, headers, 200)
        settle()
        began = process_time()
        await asyncio.gather(*(ask(app, headers, requests // 8) for _ in range(8)))
        each = (process_time() - began) / (requests // 8 * 8) * 1e6
        with Sampler() as sampler:
            await asyncio.gather(*(ask(app, headers, requests // 8) for _ in range(8)))
    total = sampler.layers.total()
    return {
        "microseconds": round(each),
        "layers": {n: round(c / total * each) for n, c in sampler.layers.most_common()},
        "functions": {n: round(c / total * each, 1) for n, c in sampler.functions.most_common(40)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--requests", type=int, default=8000)
    parser.add_argument("--as", dest="name", default="profile", help="the name of the result")
    options = parser.parse_args()
    # Formatted and written as in production, and discarded.
    configure_logging("bench", Stage.PRODUCTION, Path(os.devnull).open("w"))  # noqa: SIM115
    with running_testbed() as testbed:
        fill(testbed.superuser_url, READER, 10_000)
        settings = Settings.from_env(settings_of("tweets", testbed.settings))
        found = uvloop.run(profile(settings, identity(testbed), options.requests))
    functions = found.pop("functions")
    (RESULTS / f"{options.name}.json").write_text(json.dumps(found, indent=2) + "\n")
    print(f"{found['microseconds']} µs of processor time in Python for each request")
    for name, microseconds in found["layers"].items():
        print(f"  {microseconds:>6} µs  {name}")
    for name, microseconds in functions.items():
        sys.stdout.write(f"      {microseconds:>8.1f}  {name}\n")


if __name__ == "__main__":
    main()
