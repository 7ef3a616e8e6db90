"""Subscriptions over the three protocols that clients speak, and nothing but subscriptions."""

from .app import Streams
from .connections import Connections, StreamLimits

__all__ = ["Connections", "StreamLimits", "Streams"]
