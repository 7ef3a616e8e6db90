"""What the tweets service does with events of other services."""

from dataclasses import dataclass

from chassis.events import Event
from subgraphs.tweets.events import USER_DELETED, deleted_user
from subgraphs.tweets.service import TweetService

GROUP = "tweets"


@dataclass(frozen=True, slots=True)
class EventHandler:
    """Removes what a person said when their account is deleted."""

    service: TweetService

    async def handle(self, event: Event) -> None:
        """Raises MalformedEventError."""
        if event.type == USER_DELETED:
            await self.service.forget_user(deleted_user(event))
