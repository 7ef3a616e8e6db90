"""What the auth service does with events of other services."""

from dataclasses import dataclass

from chassis.events import Event
from subgraphs.auth.events import EMAIL_SETTINGS_CHANGED, changed_email_settings
from subgraphs.auth.ports import UnitOfWork

GROUP = "auth"


@dataclass(frozen=True, slots=True)
class EventHandler:
    """Keeps what people get mail about, so that a notifier that lost its database learns it."""

    unit_of_work: UnitOfWork

    async def handle(self, event: Event) -> None:
        """Raises MalformedEventError."""
        if event.type == EMAIL_SETTINGS_CHANGED:
            user_id, settings = changed_email_settings(event)
            await self.unit_of_work.statement(
                lambda repositories: repositories.users.change_email_settings(user_id, settings)
            )
