"""The two formats of a subscription in an HTTP response: multipart and server-sent events."""

from collections.abc import Iterable
from typing import Any, Protocol

from .accept import MediaRange, media_ranges
from .results import encode

Error = dict[str, Any]


class Format(Protocol):
    """Formats the chunks of a response body; each chunk is a whole message."""

    @property
    def transport(self) -> str:
        """The name in metrics."""

    @property
    def content_type(self) -> str: ...

    def opening(self) -> bytes:
        """Return the first chunk, sent with the headers so that buffering proxies forward them."""

    def event(self, response: bytes) -> bytes:
        """Return the chunk of an event; `response` is JSON."""

    def heartbeat(self) -> bytes: ...

    def end(self) -> bytes:
        """Return the last chunk of a subscription that has completed."""

    def failure(self, errors: list[Error]) -> bytes:
        """Return the last chunk of a subscription that has failed."""

    def refusal(self, errors: list[Error]) -> tuple[str, bytes] | None:
        """Return the content type and body of the response to a refused request.

        Returns None if the format reports the refusal in a stream.
        """


class Multipart:
    """Apollo's multipart protocol for subscriptions, 1.0, byte for byte as their router writes it.

    https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol
    """

    transport = "multipart"
    content_type = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
    _HEAD = b"\r\ncontent-type: application/json\r\n\r\n"
    _NEXT = b"\r\n--graphql"
    _LAST = b"\r\n--graphql--\r\n"

    def __init__(self, *, accepts_json: bool) -> None:
        self._accepts_json = accepts_json

    def opening(self) -> bytes:
        return self._NEXT + self.heartbeat()

    def event(self, response: bytes) -> bytes:
        return b'%b{"payload":%b}%b' % (self._HEAD, response, self._NEXT)

    def heartbeat(self) -> bytes:
        return self._HEAD + b"{}" + self._NEXT

    def end(self) -> bytes:
        return b"--\r\n"

    def failure(self, errors: list[Error]) -> bytes:
        return self._HEAD + encode({"payload": None, "errors": errors}) + self._LAST

    def refusal(self, errors: list[Error]) -> tuple[str, bytes]:
        body = encode({"errors": errors})
        if self._accepts_json:
            return "application/json", body
        return self.content_type, self._NEXT + self._HEAD + body + self._LAST


class EventStream:
    """graphql-sse's "distinct connections mode".

    https://github.com/graphql/graphql-over-http/blob/main/rfcs/GraphQLOverSSE.md
    """

    transport = "sse"
    content_type = "text/event-stream"
    _COMPLETE = b"event: complete\ndata:\n\n"

    def opening(self) -> bytes:
        return self.heartbeat()

    def event(self, response: bytes) -> bytes:
        return b"event: next\ndata: %b\n\n" % response

    def heartbeat(self) -> bytes:
        return b":\n\n"

    def end(self) -> bytes:
        return self._COMPLETE

    def failure(self, errors: list[Error]) -> bytes:
        return self.event(encode({"errors": errors})) + self._COMPLETE

    def refusal(self, errors: list[Error]) -> None:
        return None


def negotiate(accept: Iterable[str]) -> Format | None:
    """Return the supported format that the client prefers, or None."""
    ranges = media_ranges(accept)
    for wanted in ranges:
        if wanted.name == "text/event-stream":
            return EventStream()
        if wanted.name == "multipart/mixed" and wanted.parameters.get("subscriptionspec") == "1.0":
            return Multipart(accepts_json=any(map(_is_json, ranges)))
    return None


def _is_json(wanted: MediaRange) -> bool:
    return wanted.name in {
        *("application/json", "application/graphql-response+json", "application/graphql+json"),
        *("application/*", "*/*"),
    }
