"""The SQL of tweets, retweets and timelines."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.database import Connection
from chassis.errors import SessionEnded
from chassis.events import Event
from chassis.paging import Page, PageRequest
from subgraphs.tweets.domain import Addition, SnapshotEntry, Tweet
from subgraphs.tweets.repository.rows import ORIGINAL, TWEET, tweet_from

_FIRST = UUID(int=2**128 - 1)
"""Precedes every tweet, newest first."""

# Completes the insertion of a feed with head 1. Locks the feed until the end of the transaction.
# Returns no row where the owner's account is deleted: `deleted_at` is read from the locked row, not
# from the snapshot of the statement.
_OR_NEXT = """
    ON CONFLICT (owner_id) DO UPDATE SET head = feeds.head + 1 WHERE feeds.deleted_at IS NULL
    RETURNING owner_id, head
"""


@dataclass(frozen=True, slots=True)
class SqlTweetRepository:
    _connection: Connection

    async def by_ids(self, ids: Collection[UUID]) -> Mapping[UUID, Tweet]:
        rows = await self._connection.fetch_all(
            f"""
            SELECT {TWEET} FROM tweets t LEFT JOIN tweets o ON o.id = t.retweet_of
            WHERE t.id = ANY(:ids)
            """,
            {"ids": list(ids)},
        )
        tweets = [tweet_from(*row.values()) for row in rows]
        return {tweet.id: tweet for tweet in tweets}

    async def timelines(
        self, author_ids: Collection[UUID], page: PageRequest
    ) -> Mapping[UUID, Page[Tweet]]:
        rows = await self._connection.fetch_all(
            f"""
            SELECT {TWEET} FROM unnest(CAST(:authors AS uuid[])) AS author
            CROSS JOIN LATERAL (
                (
                    SELECT * FROM tweets WHERE author_id = author AND id >= :after
                    ORDER BY id LIMIT 1
                ) UNION ALL (
                    SELECT * FROM tweets WHERE author_id = author AND id < :after
                    ORDER BY id DESC LIMIT :limit
                )
            ) t
            LEFT JOIN tweets o ON o.id = t.retweet_of
            ORDER BY t.id DESC
            """,
            {
                "authors": list(author_ids),
                "after": page.after or _FIRST,
                # One more than requested on either side shows whether there are more.
                "limit": page.first + 1,
            },
        )
        found: defaultdict[UUID, list[Tweet]] = defaultdict(list)
        for row in rows:
            tweet = tweet_from(*row.values())
            found[tweet.author.id].append(tweet)
        return {author_id: _page(found[author_id], page) for author_id in author_ids}

    async def retweeted(self, user_id: UUID, original_ids: Collection[UUID]) -> Collection[UUID]:
        rows = await self._connection.fetch_all(
            "SELECT retweet_of FROM tweets WHERE author_id = :user AND retweet_of = ANY(:ids)",
            {"user": user_id, "ids": list(original_ids)},
        )
        return {row["retweet_of"] for row in rows}

    async def lock(self, tweet_id: UUID, by: UUID | None = None) -> Tweet | None:
        row = await self._connection.fetch_one(
            f"""
            SELECT EXISTS (
                SELECT FROM feeds WHERE owner_id = :by AND deleted_at IS NOT NULL
            ), {ORIGINAL} FROM tweets t
            WHERE id = (SELECT coalesce(retweet_of, id) FROM tweets WHERE id = :id)
            FOR UPDATE OF t
            """,
            {"id": tweet_id, "by": by},
        )
        if row is None:
            return None
        is_deleted, *columns = row.values()
        if is_deleted:
            raise SessionEnded
        # PostgreSQL returns a locked row as it is when the lock is taken, after any wait for it.
        original = tweet_from(*columns)
        if original.id == tweet_id:
            return original
        # The retweet was read before the lock was taken, and may have been removed since.
        return (await self.by_ids([tweet_id])).get(tweet_id)

    async def add(self, tweet: Tweet, idempotency_key: str | None) -> Addition:
        row = await self._connection.fetch_one(
            # Where the key is taken, changes nothing but the feed's head, whose position stays
            # unused, and returns the row that has the key.
            f"""
            WITH feed AS (INSERT INTO feeds (owner_id, head) VALUES (:author_id, 1) {_OR_NEXT})
            INSERT INTO tweets AS t (
                id, author_id, author_username, text, created_at, idempotency_key,
                feed_owner, feed_position
            )
            SELECT
                :id, owner_id, :author_username, :text, :created_at, :idempotency_key,
                owner_id, head
            FROM feed
            ON CONFLICT (author_id, idempotency_key) WHERE idempotency_key IS NOT NULL
            DO UPDATE SET idempotency_key = excluded.idempotency_key
            RETURNING t.feed_position, {ORIGINAL}
            """,
            {
                "id": tweet.id,
                "author_id": tweet.author.id,
                "author_username": tweet.author.username,
                "text": tweet.text,
                "created_at": tweet.created_at,
                "idempotency_key": idempotency_key,
            },
        )
        if row is None:
            raise SessionEnded
        position, *columns = row.values()
        added = tweet_from(*columns)
        return Addition(added, is_new=added.id == tweet.id, feed_position=position)

    async def retweet_by(self, user_id: UUID, original_id: UUID) -> Tweet | None:
        row = await self._connection.fetch_one(
            f"""
            SELECT {TWEET} FROM tweets t JOIN tweets o ON o.id = t.retweet_of
            WHERE t.author_id = :user AND t.retweet_of = :original
            """,
            {"user": user_id, "original": original_id},
        )
        return tweet_from(*row.values()) if row else None

    async def add_retweet(self, retweet: Tweet) -> Addition:
        row = await self._connection.fetch_one(
            # Changes nothing where the user has retweeted the original before. `locked` or
            # `created` keeps the retweeter's account from being deleted before the commit. FOR KEY
            # SHARE is the weakest lock: others can still add items to the retweeter's own feed.
            f"""
            WITH locked AS (
                SELECT deleted_at FROM feeds WHERE owner_id = :author_id FOR KEY SHARE
            ), created AS (
                INSERT INTO feeds (owner_id, head)
                SELECT :author_id, 0 WHERE NOT EXISTS (SELECT FROM locked)
                ON CONFLICT (owner_id) DO UPDATE SET head = feeds.head
                WHERE feeds.deleted_at IS NULL
                RETURNING owner_id
            ), counted AS (
                UPDATE tweets SET retweet_count = retweet_count + 1
                WHERE id = :original AND NOT EXISTS (
                    SELECT FROM tweets WHERE author_id = :author_id AND retweet_of = :original
                ) AND (
                    EXISTS (SELECT FROM locked WHERE deleted_at IS NULL)
                    OR EXISTS (SELECT FROM created)
                )
                RETURNING id, author_id
            ), feed AS (
                INSERT INTO feeds (owner_id, head)
                SELECT author_id, 1 FROM counted WHERE author_id <> :author_id {_OR_NEXT}
            )
            INSERT INTO tweets (
                id, author_id, author_username, retweet_of, created_at, feed_owner, feed_position
            )
            SELECT
                :id, :author_id, :author_username, counted.id, :created_at, owner_id, head
            FROM counted LEFT JOIN feed ON true
            RETURNING feed_position
            """,
            {
                "id": retweet.id,
                "author_id": retweet.author.id,
                "author_username": retweet.author.username,
                "original": retweet.original.id,
                "created_at": retweet.created_at,
            },
        )
        if row:
            return Addition(retweet, is_new=True, feed_position=row["feed_position"])
        earlier = await self.retweet_by(retweet.author.id, retweet.original.id)
        # The lock on the original keeps an earlier retweet from being undone meanwhile.
        if earlier is None:
            raise SessionEnded
        return Addition(earlier, is_new=False)

    async def remove(self, tweet: Tweet, event: Event) -> None:
        await self._connection.execute(
            # The UPDATE matches no row for an original, whose retweets are deleted by cascade.
            """
            WITH removed AS (
                DELETE FROM tweets WHERE id = :id RETURNING id, retweet_of
            ), recorded AS (
                INSERT INTO deleted_tweets (id, event) SELECT id, :event FROM removed
            )
            UPDATE tweets SET retweet_count = retweet_count - 1
            WHERE id = (SELECT retweet_of FROM removed)
            """,
            {"id": tweet.id, "event": event.to_json()},
        )

    async def known_after(self, tweet_id: UUID, limit: int) -> Sequence[SnapshotEntry]:
        # One statement, so that a tweet that is deleted meanwhile is in the result once.
        rows = await self._connection.fetch_all(
            f"""
            (
                SELECT NULL AS event, t.feed_position, {TWEET}
                FROM tweets t LEFT JOIN tweets o ON o.id = t.retweet_of
                WHERE t.id > :after ORDER BY t.id LIMIT :limit
            ) UNION ALL (
                SELECT event, NULL, id{", NULL" * (TWEET.count(","))}
                FROM deleted_tweets WHERE id > :after ORDER BY id LIMIT :limit
            )
            ORDER BY 3 LIMIT :limit
            """,
            {"after": tweet_id, "limit": limit},
        )
        entries = []
        for row in rows:
            deletion, position, *columns = row.values()
            tweet = None if deletion else tweet_from(*columns)
            entries.append(SnapshotEntry(columns[0], tweet, position, deletion))
        return entries


def _page(found: Sequence[Tweet], page: PageRequest) -> Page[Tweet]:
    """Return the page of one author from the rows of `timelines`.

    `found` may have one more tweet on either side of the page.
    """
    begin = 1 if found and found[0].id >= (page.after or _FIRST) else 0
    end = begin + page.first
    return Page(found[begin:end], has_next=len(found) > end, has_previous=begin > 0)
