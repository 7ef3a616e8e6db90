"""All SQL of the tweets service."""

from dataclasses import dataclass

from chassis.database import Connection
from chassis.outbox import SqlEventOutbox
from subgraphs.tweets.repository.feeds import SqlFeedRepository
from subgraphs.tweets.repository.tweets import SqlTweetRepository


@dataclass(frozen=True, slots=True)
class SqlRepositories:
    tweets: SqlTweetRepository
    feeds: SqlFeedRepository
    events: SqlEventOutbox

    @classmethod
    def on(cls, connection: Connection) -> "SqlRepositories":
        return cls(
            SqlTweetRepository(connection),
            SqlFeedRepository(connection),
            SqlEventOutbox(connection),
        )
