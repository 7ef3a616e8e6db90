"""Tweets that mails are about, and their retweets: a row of `notices` is a Retweet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection, Row
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
            "SELECT * FROM notices WHERE tweet_id = :tweet AND retweeter_id = :retweeter",
            {"tweet": tweet_id, "retweeter": retweeter_id},
        )
        return _retweet(row) if row else None

    async def tweets_of(self, author_id: UUID, after: UUID, limit: int) -> Sequence[Tweet]:
        rows = await self._connection.fetch_all(
            """
            SELECT id, author_id, text FROM tweets
            WHERE author_id = :author AND id > :after ORDER BY id LIMIT :limit
            """,
            {"author": author_id, "after": after, "limit": limit},
        )
        return [Tweet(row["id"], row["author_id"], row["text"]) for row in rows]

    async def of_retweeter(self, retweeter_id: UUID, after: UUID, limit: int) -> Sequence[Retweet]:
        rows = await self._connection.fetch_all(
            """
            SELECT * FROM notices
            WHERE retweeter_id = :retweeter AND tweet_id > :after
            ORDER BY tweet_id LIMIT :limit
            """,
            {"retweeter": retweeter_id, "after": after, "limit": limit},
        )
        return [_retweet(row) for row in rows]

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


def _retweet(row: Row) -> Retweet:
    return Retweet(
        id=row["retweet_id"],
        tweet_id=row["tweet_id"],
        retweeter_id=row["retweeter_id"],
        username=row["username"],
        undone=row["undone"],
        delivery_id=row["delivery_id"],
    )
