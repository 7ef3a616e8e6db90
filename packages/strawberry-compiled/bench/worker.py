"""Serves one executor over HTTP, and measures it in process when asked: `python worker.py NAME PORT`.

The smallest ASGI application, so that views do not count. `GET` answers the processor time of the
process in seconds, `POST` executes `query`, and with `seconds` measures it without HTTP: the least
processor time of an execution within as many seconds, itself in seconds.
"""

import gc
import importlib
import json
import sys
from copy import deepcopy
from time import perf_counter, process_time
from typing import Any

from executors import EXECUTORS, Execute


async def measured(execute: Execute, document: str, variables: Any, seconds: float) -> float:
    gc.collect()
    best = float("inf")
    until = perf_counter() + seconds
    while True:
        fresh = deepcopy(variables)  # Strawberry changes representations of entities
        started = process_time()
        await execute(document, fresh)
        best = min(best, process_time() - started)
        if perf_counter() > until:
            return best


class App:
    """The ASGI application of one executor."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._execute: Execute

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            self._execute = await EXECUTORS[self._name].make()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        answer = await self._answer(json.loads(body)) if body else process_time()
        encoded = json.dumps(answer).encode()
        headers = [(b"content-length", str(len(encoded)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": encoded})

    async def _answer(self, request: Any) -> Any:
        document, variables = request["query"], request["variables"]
        if "seconds" in request:
            return await measured(self._execute, document, variables, request["seconds"])
        return {"data": await self._execute(document, variables)}


if __name__ == "__main__":
    uvicorn: Any = importlib.import_module("uvicorn")
    uvicorn.run(
        App(sys.argv[1]),
        port=int(sys.argv[2]),
        lifespan="on",
        timeout_keep_alive=3600,
        log_level="error",
    )
