"""Subscriptions over the three protocols that clients speak, and nothing but subscriptions."""

from .app import Streams
from .places import Places, StreamLimits

__all__ = ["Places", "StreamLimits", "Streams"]
