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

__all__ = [
    "TRANSPORTS",
    "Authenticate",
    "BadRequest",
    "Caller",
    "Connections",
    "GraphQLError",
    "GraphQLRequest",
    "Handshake",
    "Interrupted",
    "Limits",
    "Operation",
    "OperationFailed",
    "Refused",
    "Restarting",
    "Result",
    "Revocations",
    "SessionEnded",
    "StreamEnded",
    "Streams",
    "Subscribe",
    "TokenExpired",
    "TooSlow",
    "Unauthenticated",
    "bearer_token",
    "is_json",
    "status_for",
]
