"""The composition root of the explorer: files with a strict policy, probes, request log."""

import json
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from chassis.health import health_routes
from chassis.logging import RequestLog
from chassis.shutdown import Shutdown
from chassis.topology import declared
from explorer.files import BuiltFiles

DIST = Path(__file__).parent / "dist"
API_SCHEMA = Path(__file__).parents[1] / "router" / "api.graphql"

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "worker-src": "'self'",
    # Monaco writes colours and sizes into style elements at run time.
    "style-src": "'self' 'unsafe-inline'",
    "font-src": "'self'",
    # Monaco underlines an error with an image inside its style sheet.
    "img-src": "'self' data:",
    # Includes the WebSocket of the same origin.
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
"""Allows requests to the same origin only, and no scripts except the files of the build."""

HEADERS = {
    "content-security-policy": "; ".join(f"{name} {source}" for name, source in POLICY.items()),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def create_app(
    shutdown: Shutdown,
    dist: Path = DIST,
    *,
    introspection: bool = False,
    trace_url: str | None = None,
) -> Starlette:
    """Return the application for the build in `dist`. Raises NotBuiltError.

    With `introspection` it serves the API schema at `/schema.graphql`, for code generators and for
    downloads. `trace_url` is where the page links to traces.
    """
    files = BuiltFiles(dist, HEADERS)
    schema = [Route("/schema.graphql", _serve_schema)] if introspection else []
    return Starlette(
        routes=[
            *health_routes({}, shutdown),
            *schema,
            Route("/tweets/{id:uuid}", files.page, methods=_METHODS),
            Route("/services.js", partial(_serve_services, trace_url)),
            Route("/{path:path}", files.respond, methods=_METHODS),
        ],
        middleware=[Middleware(RequestLog)],
    )


async def _serve_services(trace_url: str | None, _: Request) -> Response:
    """Return a script that lists the declared services, whose tabs the page shows, and settings."""
    script = (
        f"globalThis.SERVICES = {json.dumps(list(declared().services))};\n"
        f"globalThis.TRACE_URL = {json.dumps(trace_url)};\n"
    )
    headers = {**HEADERS, "cache-control": "no-cache"}
    return Response(script, media_type="text/javascript", headers=headers)


async def _serve_schema(_: Request) -> Response:
    headers = {**HEADERS, "cache-control": "no-cache"}
    return FileResponse(API_SCHEMA, media_type="text/plain", headers=headers)


_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
"""All methods: the response is 404 or 405, depending on whether there is a file."""
