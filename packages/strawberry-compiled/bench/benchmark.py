"""Compares executors: `python bench/benchmark.py`, `--http` over one uvicorn worker each.

All execute the same documents on the same types and must give the same answers. Figures are
processor time per operation, over HTTP that of the server. Rounds are interleaved, and the best of
each is taken. bramble is left out where it is not installed (`pip install bramble-graphql`).
"""

import argparse
import asyncio
import gc
import importlib
import importlib.util
import json
import multiprocessing
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy
from pathlib import Path
from time import perf_counter, process_time
from types import ModuleType
from typing import Any

import graphql
import strawberry
import strawberry.federation
from strawberry.extensions import ParserCache, ValidationCache

from strawberry_compiled import CompilingExecutionContext

Execute = Callable[[str, dict[str, Any]], Awaitable[Any]]
"""Returns the data of an operation; raises where there are errors."""

BASELINE = "Strawberry"
CACHES = "with caches"


def workloads(api: Any) -> ModuleType:
    """Return the module `workloads` for this library."""
    name = f"workloads_{api.__name__}"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("workloads.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def by_strawberry(*, compiled: bool, caches: bool) -> Execute:
    types = workloads(strawberry)
    schema = strawberry.federation.Schema(
        types.Query,
        types.Mutation,
        types=[types.Product],
        extensions=[ParserCache, ValidationCache] if caches else [],
        execution_context_class=CompilingExecutionContext if compiled else None,
    )

    async def execute(document: str, variables: dict[str, Any]) -> Any:
        result = await schema.execute(document, variables)
        assert not result.errors, result.errors
        return result.data

    return execute


def by_graphql_core() -> Execute:
    """graphql-core alone, with resolvers at the root and default resolvers below."""
    types = workloads(strawberry)
    sdl = strawberry.federation.Schema(types.Query, types.Mutation, types=[types.Product]).as_str()
    schema = graphql.build_schema(sdl.partition("\n\n")[2], assume_valid_sdl=True)
    fields = schema.type_map["Query"].fields | schema.type_map["Mutation"].fields  # type: ignore[attr-defined]
    resolvers: dict[str, Callable[..., Any]] = {}

    def resolver(name: str, returned: Callable[..., Any]) -> None:
        async def resolve(_: Any, __: Any, **arguments: Any) -> Any:
            return returned(**arguments)

        resolvers[name] = resolve

    resolver("timeline", lambda: types.TIMELINE)
    resolver("stadium", lambda: types.STADIUM)
    resolver("items", lambda: types.ITEMS)
    resolver("deep", lambda: types.DEEP)
    resolver(
        "_entities", lambda representations: [types.PRODUCTS[r["id"]] for r in representations]
    )
    post = types.Mutation.__strawberry_definition__.get_field("post").base_resolver.wrapped_func
    new = types.NewTweet

    async def mutate(_: Any, __: Any, draft: Any) -> Any:
        return await post(new(**draft))

    resolvers["post"] = mutate
    for name, function in resolvers.items():
        fields[name].resolve = function
    item = schema.type_map["Item"].fields  # type: ignore[attr-defined]

    async def mine(*_: Any) -> bool:
        return True

    async def author(*_: Any) -> Any:
        return types.AUTHOR

    item["mine"].resolve, item["author"].resolve = mine, author
    schema.type_map["_Entity"].resolve_type = lambda *_: "Product"  # type: ignore[attr-defined]

    async def execute(document: str, variables: dict[str, Any]) -> Any:
        result = await graphql.graphql(schema, document, variable_values=variables)
        assert not result.errors, result.errors
        return result.data

    return execute


def by_bramble() -> Execute:
    bramble: Any = importlib.import_module("bramble")
    importlib.import_module("bramble.federation")
    types = workloads(bramble)
    schema = bramble.federation.Schema(
        query=types.Query, mutation=types.Mutation, types=[types.Product]
    )

    async def execute(document: str, variables: dict[str, Any]) -> Any:
        result = await schema.execute_async(document, variable_values=variables)
        assert not result.get("errors"), result["errors"]
        return result["data"]

    return execute


EXECUTORS: Mapping[str, Callable[[], Execute]] = {
    BASELINE: lambda: by_strawberry(compiled=False, caches=False),
    f"{BASELINE} {CACHES}": lambda: by_strawberry(compiled=False, caches=True),
    "compiled": lambda: by_strawberry(compiled=True, caches=False),
    f"compiled {CACHES}": lambda: by_strawberry(compiled=True, caches=True),
    "graphql-core": by_graphql_core,
    "bramble": by_bramble,
}


async def in_process(names: list[str], rounds: int, seconds: float) -> None:
    executors = {name: EXECUTORS[name]() for name in names}
    table(names)
    for workload, (document, variables) in workloads(strawberry).DOCUMENTS.items():
        answers = {}
        for name, execute in executors.items():
            started = perf_counter()
            for run in range(12):  # until all of it is compiled
                answers[name] = json.dumps(await execute(document, deepcopy(variables)))
                if run >= 2 and perf_counter() - started > 2:
                    break
        different = [name for name in names if answers[name] != answers[BASELINE]]
        best = dict.fromkeys(names, float("inf"))
        for _ in range(rounds):
            for name, execute in executors.items():
                best[name] = min(best[name], await timed(execute, document, variables, seconds))
        row(workload, best, different)


async def timed(execute: Execute, document: str, variables: Any, seconds: float) -> float:
    """Return the least processor time of an execution within some seconds, in microseconds."""
    gc.collect()
    best = float("inf")
    until = perf_counter() + seconds
    while True:
        fresh = deepcopy(variables)  # Strawberry changes representations of entities
        started = process_time()
        await execute(document, fresh)
        best = min(best, process_time() - started)
        if perf_counter() > until:
            return best * 1e6


def serve(name: str, port: int) -> None:
    """Serve an executor by the smallest ASGI application, so that views do not count."""
    uvicorn: Any = importlib.import_module("uvicorn")
    execute = EXECUTORS[name]()

    async def app(_: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        request = json.loads(body)
        if request:
            data = await execute(request["query"], request["variables"])
            answer = json.dumps({"data": data}).encode()
        else:
            answer = json.dumps(process_time()).encode()
        headers = [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    uvicorn.run(app, port=port, log_level="error", access_log=False, lifespan="off")


async def over_http(names: list[str], rounds: int, seconds: float) -> None:
    ports = {name: free_port() for name in names}
    context = multiprocessing.get_context("spawn")
    used = encoded(None)
    servers = [
        context.Process(target=serve, args=(name, port), daemon=True)
        for name, port in ports.items()
    ]
    for server in servers:
        server.start()
    try:
        table(names)
        for workload, (document, variables) in workloads(strawberry).DOCUMENTS.items():
            request = encoded({"query": document, "variables": variables})
            best = dict.fromkeys(names, float("inf"))
            for number in range(rounds + 1):
                for name, port in ports.items():
                    before = float((await ask(port, used, 0))[1])
                    answered, _ = await ask(port, request, seconds)
                    took = float((await ask(port, used, 0))[1]) - before
                    if number:  # the first round only warms up
                        best[name] = min(best[name], took / answered * 1e6)
            row(workload, best, [])
    finally:
        for server in servers:
            server.terminate()
            server.join()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def encoded(body: object) -> bytes:
    """Return the request that posts this body."""
    text = json.dumps(body).encode()
    head = f"POST / HTTP/1.1\r\nhost: bench\r\ncontent-length: {len(text)}\r\n\r\n"
    return head.encode() + text


async def ask(port: int, request: bytes, seconds: float) -> tuple[int, bytes]:
    """Ask over one connection, at least three times if for some seconds at all.

    Return the number of answers and the last one.
    """
    for _ in range(300):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            break
        except OSError:
            await asyncio.sleep(0.1)
    else:
        raise TimeoutError(f"nothing listens on port {port}")
    answered = 0
    until = perf_counter() + seconds
    while True:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(h for h in head.lower().split(b"\r\n") if h.startswith(b"content-length"))
        answer = await reader.readexactly(int(length.split(b":")[1]))
        answered += 1
        if perf_counter() > until and (answered >= 3 or not seconds):
            writer.close()
            return answered, answer


def table(names: list[str]) -> None:
    print(f"| | {' | '.join(names)} |\n| --- |{' ---: |' * len(names)}", flush=True)


def row(workload: str, best: Mapping[str, float], different: list[str]) -> None:
    """Print microseconds, and how many times as fast as the baseline each is."""
    cells = []
    for name, value in best.items():
        figure = f"{value:,.0f} µs" if value < 10_000 else f"{value / 1000:,.1f} ms"
        cells.append(f"{figure}, {best[BASELINE] / value:.1f}x")
        if name in different:
            cells[-1] += " (another answer)"
    print(f"| {workload} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--http", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.4, help="of each executor in one round")
    options = parser.parse_args()
    names = list(EXECUTORS)
    if importlib.util.find_spec("bramble") is None:
        names.remove("bramble")
    measure = over_http if options.http else in_process
    asyncio.run(measure(names, options.rounds, options.seconds))


if __name__ == "__main__":
    main()
