"""What the tweets service does with the events of other services."""

from chassis.dead_letters import EventHandler
from chassis.events import Event
from subgraphs.tweets.events import USER_DELETED, deleted_user
from subgraphs.tweets.service import TweetService


def handler(tweets: TweetService) -> EventHandler:
    """Return what handles an event. An event may come again and out of order.

    It ignores other types, and raises MalformedEventError for data that it cannot read.
    """

    async def handle(event: Event) -> None:
        if event.type == USER_DELETED:
            await tweets.forget_user(deleted_user(event))

    return handle
