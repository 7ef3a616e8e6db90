"""The examples run, and README.md shows them."""

import asyncio
import importlib.util
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import httpx
import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from streams_server import MULTIPART, PROTOCOL, SSE, bearer, free_port, listening, until

PACKAGE = Path(__file__).parents[1]


def example(name: str) -> ModuleType:
    path = PACKAGE / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def client(port: int, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as http:
        yield http


@pytest.mark.parametrize("name", ["plain", "plain_strawberry"])
async def test_readme_shows_the_plain_examples(name: str) -> None:
    text = (PACKAGE / "examples" / f"{name}.py").read_text()
    assert f"```python\n{text}```" in (PACKAGE / "README.md").read_text()


@pytest.mark.parametrize("accept", [MULTIPART, SSE])
@pytest.mark.parametrize(("name", "argument"), [("plain", "from"), ("plain_strawberry", "start")])
async def test_plain_examples_stream_responses(name: str, argument: str, accept: str) -> None:
    body = {"query": f"subscription {{ countdown({argument}: 2) }}"}
    async with listening(example(name).app) as port, client(port, accept=accept) as http:
        text = (await http.post("/", json=body)).text
    positions = [text.index(f'"countdown":{number}') for number in (2, 1, 0)]
    assert positions == sorted(positions)


async def test_strawberry_example_ends_a_session() -> None:
    module = example("with_strawberry")
    async with (
        listening(module.app) as port,
        connect(
            f"ws://127.0.0.1:{port}/stream", subprotocols=[PROTOCOL], compression=None, proxy=None
        ) as socket,
    ):
        await socket.send(json.dumps({"type": "connection_init", "payload": bearer("secret")}))
        assert json.loads(await socket.recv()) == {"type": "connection_ack"}
        payload = {"query": "subscription { ticks }"}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        assert json.loads(await socket.recv())["payload"] == {"data": {"ticks": "0 for ada"}}
        module.sign_out("secret")
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 10)
        assert (socket.close_code, socket.close_reason) == (4401, "The session has ended.")


async def test_strawberry_example_opens_a_stream_and_reports_errors() -> None:
    async with (
        listening(example("with_strawberry").app) as port,
        client(port, accept=MULTIPART, **bearer("secret")) as http,
    ):
        body = {"query": "subscription { ticks }"}
        async with http.stream("POST", "/stream", json=body) as response:
            assert "{}" in await anext(response.aiter_text())
        for query in ("subscription {", "subscription { nothing }", "{ hello }"):
            assert (await http.post("/stream", json={"query": query})).status_code == 400
        answer = await http.post("/graphql", json={"query": "{ hello }"})
        assert answer.json() == {"data": {"hello": "hello"}}


async def test_strawberry_example_tells_a_stream_that_the_server_stops() -> None:
    module = example("with_strawberry")
    port = free_port()
    server = module.Server(uvicorn.Config(module.app, port=port, log_config=None))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    async with (
        client(port, accept=SSE, **bearer("secret")) as http,
        http.stream("POST", "/stream", json={"query": "subscription { ticks }"}) as response,
    ):
        text = response.aiter_text()
        assert await anext(text)
        server.should_exit = True
        try:
            async with asyncio.timeout(10):
                rest = "".join([chunk async for chunk in text])
        finally:
            server.force_exit = True
    assert "The server restarts." in rest
    assert rest.endswith("event: complete\ndata:\n\n")
    await asyncio.wait_for(serving, 10)
