"""The probes: `/livez` (the process runs) and `/readyz` (its dependencies are available)."""

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
    """Return the two routes. A check raises if its dependency is not available.

    A process that has announced its shutdown is not ready.
    """

    in_flight: dict[str, asyncio.Future[None]] = {}

    async def passes(name: str, check: Check) -> bool:
        # A slow check is not cancelled, because cancelling a unit of work waits for its end, and no
        # second one is started beside it.
        if name not in in_flight:
            in_flight[name] = asyncio.ensure_future(check())
        task = in_flight[name]
        done, _ = await asyncio.wait({task}, timeout=_TIMEOUT)
        if done:
            in_flight.pop(name, None)
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
