"""What the auth service does with the events of other services."""

from chassis.dead_letters import EventHandler
from chassis.events import Event
from subgraphs.auth.events import EMAIL_SETTINGS_CHANGED, changed_email_settings
from subgraphs.auth.service import AuthService


def handler(service: AuthService) -> EventHandler:
    """Return what handles an event. An event may come again and out of order.

    It ignores other types, and raises MalformedEventError for data that it cannot read.
    """

    async def handle(event: Event) -> None:
        if event.type == EMAIL_SETTINGS_CHANGED:
            await service.change_email_settings(*changed_email_settings(event))

    return handle
