"""Subscriptions over WebSocket, multipart HTTP and server-sent events (docs/adr/0012)."""

from .app import Streams
from .connections import Connections, StreamLimits

__all__ = ["Connections", "StreamLimits", "Streams"]
