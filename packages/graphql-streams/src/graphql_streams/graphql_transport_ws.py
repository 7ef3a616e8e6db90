"""The protocol graphql-transport-ws: messages and close codes."""

import json
from dataclasses import dataclass
from typing import Any

import orjson

from .errors import Refused
from .interfaces import Receive
from .request import InvalidJson, decode
from .results import encode
from .writer import ClientLeft, Writer

PROTOCOL = "graphql-transport-ws"
_LONGEST_REASON = 123
"""Bytes of the reason in a close frame."""


@dataclass(frozen=True, slots=True)
class Close:
    """The code and the reason of a close frame."""

    code: int
    reason: str


NOT_THE_PROTOCOL = Close(4406, "Subprotocol not acceptable")
NO_INIT = Close(4408, "Connection initialisation timeout")
IDLE = Close(1000, "No active operations")
NOT_INITIALISED = Close(4401, "Unauthorized")
TWO_INITS = Close(4429, "Too many initialisation requests")
INTERNAL_FAILURE = Close(4500, "Internal server error")
TOO_LONG = Close(1009, "Message too long")


def close_for(error: Refused) -> Close:
    """Return the close frame for an error."""
    return Close(error.close_code, str(error))


class ProtocolError(Exception):
    """The client violates the protocol."""

    def __init__(self, close: Close) -> None:
        super().__init__(close.reason)
        self.close = close


class MessageChannel:
    """Sends and receives messages as JSON in text frames.

    Raises what the writer raises, ClientLeft for a closed connection, and ProtocolError for an
    invalid message.
    """

    __slots__ = ("_message_bytes", "_receive", "_writer")

    def __init__(self, receive: Receive, writer: Writer, *, message_bytes: int) -> None:
        self._receive = receive
        self._writer = writer
        self._message_bytes = message_bytes

    async def accept(self, subprotocol: str | None) -> None:
        await self._receive()  # websocket.connect
        await self._writer.write({"type": "websocket.accept", "subprotocol": subprotocol})

    async def receive(self) -> dict[str, Any]:
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            raise ClientLeft
        text = event.get("text")
        if text is None:
            raise invalid_message("not a text frame")
        if len(text) > self._message_bytes or len(text.encode()) > self._message_bytes:
            raise ProtocolError(TOO_LONG)
        message = decode(text)
        if isinstance(message, InvalidJson):
            message = _salvage(text, message)
        if not isinstance(message, dict):
            raise invalid_message("not an object")
        return message

    async def send(self, message: dict[str, Any]) -> None:
        try:
            text = encode(message).decode()
        except orjson.JSONEncodeError:  # a client's own payload, in a pong
            raise invalid_message("nested too deeply") from None
        await self._writer.write({"type": "websocket.send", "text": text})

    async def send_next(self, head: str, response: bytes) -> None:
        """Send the response to an event; `head` is what `next_head` returned."""
        await self._writer.write(_next(head, response))

    def offer_next(self, head: str, response: bytes) -> bool:
        """Send the response now, or return False; as Writer.offer."""
        return self._writer.offer(_next(head, response))

    async def close(self, close: Close) -> None:
        reason = close.reason.encode()[:_LONGEST_REASON].decode(errors="ignore")
        await self._writer.write({"type": "websocket.close", "code": close.code, "reason": reason})


def next_head(id_: str) -> str:
    """Return the part of a `next` message before its payload."""
    return f'{{"id":{encode(id_).decode()},"type":"next","payload":'


def _next(head: str, response: bytes) -> dict[str, Any]:
    return {"type": "websocket.send", "text": f"{head}{response.decode()}}}"}


def init_payload(message: dict[str, Any]) -> dict[str, Any] | None:
    """Return the payload of `connection_init`. Raises ProtocolError."""
    payload = message.get("payload")
    if payload is not None and not isinstance(payload, dict):
        raise invalid_message("the payload is not an object")
    return payload


def invalid_message(problem: str) -> ProtocolError:
    return ProtocolError(Close(4400, f"Invalid message: {problem}"))


def id_of(message: dict[str, Any]) -> str:
    """Return the operation id of a message. Raises ProtocolError."""
    id_ = message.get("id")
    if not isinstance(id_, str) or not id_:
        raise invalid_message("the id is not a non-empty string")
    return id_


def payload_of(message: dict[str, Any]) -> dict[str, Any]:
    """Return the payload of a ping as a field of its pong; no field if it is not valid JSON."""
    payload = message.get("payload")
    return {} if payload is None or isinstance(payload, InvalidJson) else {"payload": payload}


def _salvage(text: str, invalid: InvalidJson) -> object:
    """Return a message of which only the payload is invalid JSON, such as a lone surrogate.

    Then only its operation fails, and not the socket. Raises ProtocolError for any other text.
    """
    try:
        message = json.loads(text)
        if isinstance(message, dict) and "payload" in message:
            kept = {name: value for name, value in message.items() if name != "payload"}
            encode(kept)
            return {**kept, "payload": invalid}
    except (ValueError, TypeError, RecursionError):
        pass
    raise invalid_message("not JSON")
