"""A live feed without a source: an ASGI application that sends texts from memory to its WebSockets.

It runs on uvicorn as the services do, so it shows what remains if all but the server is free: the
lower bound of any feed in Python on this server, as Centrifugo's memory engine is one in Go. POST
sends its body to all; POST /each sends each line of it to the WebSocket at the path before it.
"""

import os
from collections import defaultdict
from typing import Any

import uvicorn

from chassis.server import configuration

_sends: defaultdict[str, set[Any]] = defaultdict(set)


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await _serve(scope["path"], receive, send)
    elif scope["type"] == "http":
        await _publish(scope["path"], receive)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
    else:
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})


async def _serve(path: str, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    _sends[path].add(send)
    try:
        while (await receive())["type"] != "websocket.disconnect":
            pass
    finally:
        _sends[path].discard(send)


async def _publish(path: str, receive: Any) -> None:
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            break
    if path == "/each":
        for line in body.decode().splitlines():
            addressed, _, text = line.partition(" ")
            await _send(addressed, text)
    else:
        for addressed in list(_sends):
            await _send(addressed, body.decode())


async def _send(path: str, text: str) -> None:
    for send in list(_sends[path]):
        await send({"type": "websocket.send", "text": text})


if __name__ == "__main__":
    config = configuration(app, host="127.0.0.1", port=int(os.environ["PORT"]), sockets=True)
    uvicorn.Server(config).run()
