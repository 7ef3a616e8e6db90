"""What the tweets service does when others tell what has happened."""

from redis.asyncio import Redis

from chassis.events import Event
from chassis.metrics import Metrics
from chassis.streams import StreamConsumer
from subgraphs.tweets.events import AUTH_STREAM, USER_DELETED, deleted_user
from subgraphs.tweets.ports import RejectedEvents
from subgraphs.tweets.service import TweetService

GROUP = "tweets"


def event_consumer(
    redis: Redis, tweets: TweetService, rejected: RejectedEvents, metrics: Metrics
) -> StreamConsumer:
    """Removes what somebody said when their account is deleted."""

    async def handle(event: Event) -> None:
        if event.type == USER_DELETED:
            await tweets.forget_user(deleted_user(event))

    return StreamConsumer(
        redis,
        [AUTH_STREAM],
        group=GROUP,
        handle=handle,
        reject=rejected.add,
        tell=metrics.events_of(GROUP, [AUTH_STREAM]),
    )
