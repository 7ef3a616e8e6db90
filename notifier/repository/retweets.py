"""Tweets that mails are about, and their retweets: a row of `notices` is a Retweet."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection
from notifier.domain import Retweet, Tweet


@dataclass(frozen=True, slots=True)
class SqlRetweetRepository:
    _connection: Connection

    async def lock(self, tweet_id: UUID) -> None:
        # An advisory lock, because the row may not exist yet.
        await self._connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(CAST(:id AS text), 0))",
            {"id": str(tweet_id)},
        )

    async def add_tweet(self, tweet: Tweet, now: datetime) -> bool:
        saved = await self._connection.fetch_val(
            """
            INSERT INTO tweets (id, author_id, text, noticed_at)
            VALUES (:id, :author_id, :text, :now)
            ON CONFLICT (id) DO UPDATE SET text = excluded.text WHERE tweets.deleted_at IS NULL
            RETURNING true
            """,
            {"id": tweet.id, "author_id": tweet.author_id, "text": tweet.text, "now": now},
        )
        return bool(saved)

    async def delete_tweet(self, tweet_id: UUID, now: datetime) -> None:
        await self._connection.execute(
            """
            INSERT INTO tweets (id, noticed_at, deleted_at) VALUES (:id, :now, :now)
            ON CONFLICT (id) DO UPDATE SET author_id = NULL, text = NULL, deleted_at = :now
            """,
            {"id": tweet_id, "now": now},
        )
        await self._connection.execute("DELETE FROM notices WHERE tweet_id = :id", {"id": tweet_id})

    async def latest(self, tweet_id: UUID, retweeter_id: UUID) -> Retweet | None:
        row = await self._connection.fetch_one(
            """
            SELECT retweet_id, username, undone, delivery_id FROM notices
            WHERE tweet_id = :tweet AND retweeter_id = :retweeter
            """,
            {"tweet": tweet_id, "retweeter": retweeter_id},
        )
        if row is None:
            return None
        return Retweet(
            id=row["retweet_id"],
            tweet_id=tweet_id,
            retweeter_id=retweeter_id,
            username=row["username"],
            undone=row["undone"],
            delivery_id=row["delivery_id"],
        )

    async def save(self, retweet: Retweet, now: datetime) -> None:
        await self._connection.execute(
            """
            INSERT INTO notices (tweet_id, retweeter_id, retweet_id, username, undone,
                                 delivery_id, noticed_at)
            VALUES (:tweet_id, :retweeter_id, :id, :username, :undone, :delivery_id, :now)
            ON CONFLICT (tweet_id, retweeter_id) DO UPDATE
            SET retweet_id = excluded.retweet_id, username = excluded.username,
                undone = excluded.undone, delivery_id = excluded.delivery_id,
                noticed_at = excluded.noticed_at
            """,
            {
                "id": retweet.id,
                "tweet_id": retweet.tweet_id,
                "retweeter_id": retweet.retweeter_id,
                "username": retweet.username,
                "undone": retweet.undone,
                "delivery_id": retweet.delivery_id,
                "now": now,
            },
        )
