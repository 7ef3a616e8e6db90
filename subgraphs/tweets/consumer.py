"""Handles the events of other services."""

from chassis.dead_letters import EventHandler
from chassis.events import Event
from subgraphs.tweets.events import USER_DELETED, deleted_user
from subgraphs.tweets.service import TweetService


def handler(service: TweetService) -> EventHandler:
    """Return the handler of an event, which may be repeated or out of order.

    The handler ignores other types, and raises MalformedEventError for data that it cannot read.
    """

    async def handle(event: Event) -> None:
        if event.type == USER_DELETED:
            await service.forget_user(deleted_user(event))

    return handle
