"""Turns events of other services into use cases."""

from collections.abc import Callable

from chassis.events import Event
from notifier.events import parse
from notifier.service import NotifierService


class EventHandler:
    """What the stream's consumer calls for each event."""

    def __init__(self, service: NotifierService, wake: Callable[[], None] = lambda: None) -> None:
        """`wake` is called when something may have become due."""
        self._service = service
        self._wake = wake

    async def handle(self, event: Event) -> None:
        """Raises InvalidEvent."""
        happened = parse(event.type, event.data)
        if happened is None:
            return
        await self._service.handle(event.id, happened)
        self._wake()
