"""What the auth service does with events of other services."""

from chassis.dead_letters import EventHandler
from chassis.events import Event
from subgraphs.auth.events import EMAIL_SETTINGS_CHANGED, changed_email_settings
from subgraphs.auth.ports import UnitOfWork

GROUP = "auth"


def handler(unit_of_work: UnitOfWork) -> EventHandler:
    """Return what handles an event. An event may come again and out of order.

    It keeps what people get mail about, so that a notifier that lost its database learns it. It
    ignores other types, and raises MalformedEventError for data that it cannot read.
    """

    async def handle(event: Event) -> None:
        if event.type == EMAIL_SETTINGS_CHANGED:
            user_id, settings = changed_email_settings(event)
            await unit_of_work.statement(
                lambda repositories: repositories.users.change_email_settings(user_id, settings)
            )

    return handle
