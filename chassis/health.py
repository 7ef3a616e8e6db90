"""`/livez` says that the process runs, `/readyz` that it has what it needs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chassis.shutdown import Shutdown

Check = Callable[[], Awaitable[None]]

_TIMEOUT = 2.0
_log = structlog.get_logger("chassis.health")


def health_routes(checks: Mapping[str, Check], shutdown: Shutdown) -> list[Route]:
    """The two routes. A check raises when what it asks for is not there.

    A process that has announced its shutdown is not ready, whatever it has.
    """

    under_way: dict[str, asyncio.Future[None]] = {}

    async def passes(name: str, check: Check) -> bool:
        # Neither cancelled when it takes too long, for a unit of work waits to be cancelled, nor
        # begun again before it has ended.
        if name not in under_way:
            under_way[name] = asyncio.ensure_future(check())
        task = under_way[name]
        done, _ = await asyncio.wait({task}, timeout=_TIMEOUT)
        if done:
            under_way.pop(name, None)
        error = task.exception() if done else TimeoutError()
        if error:
            _log.warning("not ready", check=name, reason=repr(error))
        return error is None

    async def livez(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        if shutdown.is_announced:
            return JSONResponse({"status": "stopping"}, status_code=503)
        results = await asyncio.gather(*(passes(name, check) for name, check in checks.items()))
        answers = {name: "ok" if ok else "failed" for name, ok in zip(checks, results, strict=True)}
        return JSONResponse(
            {"status": "ok" if all(results) else "failed", "checks": answers},
            status_code=200 if all(results) else 503,
        )

    return [Route("/livez", livez), Route("/readyz", readyz)]
