"""Subscriptions over WebSocket, Apollo's multipart protocol and server-sent events, for ASGI."""

from .app import TRANSPORTS, Streams
from .connections import Connections, Limits
from .errors import (
    BadRequest,
    GraphQLError,
    Interrupted,
    OperationFailed,
    Refused,
    Restarting,
    SessionEnded,
    StreamEnded,
    TokenExpired,
    TooSlow,
    Unauthenticated,
    status_for,
)
from .interfaces import (
    Authenticate,
    Caller,
    Handshake,
    Operation,
    Result,
    Revocations,
    Subscribe,
    bearer_token,
)
from .request import GraphQLRequest, is_json
from .results import response
from .sharing import Broadcast, LiveSource, Reads, SharedEvent, SharedSource, Viewer, Work

__all__ = [
    "TRANSPORTS",
    "Authenticate",
    "BadRequest",
    "Broadcast",
    "Caller",
    "Connections",
    "GraphQLError",
    "GraphQLRequest",
    "Handshake",
    "Interrupted",
    "Limits",
    "LiveSource",
    "Operation",
    "OperationFailed",
    "Reads",
    "Refused",
    "Restarting",
    "Result",
    "Revocations",
    "SessionEnded",
    "SharedEvent",
    "SharedSource",
    "StreamEnded",
    "Streams",
    "Subscribe",
    "TokenExpired",
    "TooSlow",
    "Unauthenticated",
    "Viewer",
    "Work",
    "bearer_token",
    "is_json",
    "response",
    "status_for",
]
