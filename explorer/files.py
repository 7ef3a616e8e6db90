"""Serves the files of a build: read once, and compressed at build time."""

import hashlib
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import error_response

INDEX = "index.html"

_ENCODINGS = {"br": ".br", "gzip": ".gz", "identity": ""}
"""Suffixes by encoding, the smallest encoding first."""

_HASHED = re.compile(r"assets/.+-[\w-]{8}\.\w+")
"""File names that change with their content."""

_TYPES = {".js": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml"}
"""Types that the tables of some systems lack or name differently."""


class NotBuiltError(Exception):
    """The folder has no page."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One file in one encoding."""

    body: bytes
    headers: Mapping[str, str]


class BuiltFiles:
    """The files of a folder in memory, a few megabytes. Files added later are not served."""

    def __init__(self, folder: Path, headers: Mapping[str, str]) -> None:
        """Read the files. Every response has `headers`. Raises NotBuiltError."""
        if not (folder / INDEX).exists():
            raise NotBuiltError(f"there is no page in {folder}")
        suffixes = tuple(suffix for suffix in _ENCODINGS.values() if suffix)
        self._files = {
            _path(name): _variants(file, name, headers)
            for file in folder.rglob("*")
            if file.is_file() and file.suffix not in suffixes
            # The internal files of the build begin with a dot.
            if not (name := file.relative_to(folder).as_posix()).startswith(".")
        }

    async def respond(self, request: Request) -> Response:
        """Return the file at the path of the request."""
        return _respond(request, self._files.get(request.url.path))

    async def page(self, request: Request) -> Response:
        """Return the page for any path: its script reads the path."""
        return _respond(request, self._files["/"])


def _respond(request: Request, variants: Mapping[str, Variant] | None) -> Response:
    if variants is None:
        return error_response(404, "NOT_FOUND", "No file has this path.")
    if request.method not in {"GET", "HEAD"}:
        response = error_response(
            405, "METHOD_NOT_ALLOWED", "Only GET and HEAD are allowed at this path."
        )
        response.headers["allow"] = "GET, HEAD"
        return response
    variant = _choose(variants, request.headers)
    if variant.headers["etag"] in _etags(request.headers):
        kept = ("etag", "cache-control", "vary")
        return Response(None, 304, {name: variant.headers[name] for name in kept})
    return Response(variant.body, headers=variant.headers)


def _path(name: str) -> str:
    return "/" if name == INDEX else f"/{name}"


def _variants(file: Path, name: str, headers: Mapping[str, str]) -> dict[str, Variant]:
    kind = _TYPES.get(file.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    is_text = kind.startswith("text/")
    found = {}
    for encoding, suffix in _ENCODINGS.items():
        version = file.with_name(file.name + suffix)
        if not version.exists():
            continue
        body = version.read_bytes()
        found[encoding] = Variant(
            body,
            {
                **headers,
                "content-type": f"{kind}; charset=utf-8" if is_text else kind,
                "cache-control": _cache_control(name),
                "etag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
                "vary": "accept-encoding",
                **({} if encoding == "identity" else {"content-encoding": encoding}),
            },
        )
    return found


def _cache_control(name: str) -> str:
    """Return the cache policy: forever for a hashed name, else revalidation for each request."""
    return "public, max-age=31536000, immutable" if _HASHED.fullmatch(name) else "no-cache"


def _choose(variants: Mapping[str, Variant], headers: Headers) -> Variant:
    accepted = _accepted(headers.get("accept-encoding", ""))
    return next(
        (variants[name] for name in _ENCODINGS if name in variants and name in accepted),
        variants["identity"],
    )


def _accepted(header: str) -> set[str]:
    """Return the encodings that a client accepts, without those of quality 0."""
    accepted = set()
    for part in header.lower().split(","):
        name, _, parameter = part.partition(";")
        if not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", parameter):
            accepted.add(name.strip())
    return accepted


def _etags(headers: Headers) -> set[str]:
    """Return the tags for a weak comparison: a proxy may have marked them as weak."""
    given = headers.get("if-none-match", "").split(",")
    return {tag.strip().removeprefix("W/") for tag in given}
