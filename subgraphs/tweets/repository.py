"""All SQL of the tweets service."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.database import Connection
from chassis.errors import SessionOver
from chassis.events import Event
from chassis.outbox import SqlEventOutbox
from chassis.paging import Page, PageRequest
from subgraphs.tweets.domain import (
    Author,
    FeedItem,
    FeedPage,
    KnownTweet,
    Tweet,
)

_FIRST = UUID(int=2**128 - 1)
"""Comes before every tweet, newest first."""


def _columns(alias: str) -> str:
    """In the order in which `_tweet` takes them."""
    names = ("id", "author_id", "author_username", "text", "created_at", "retweet_count")
    return ", ".join(f"{alias}.{name}" for name in names)


_TWEET = _columns("t")
_COLUMNS = f"{_TWEET}, {_columns('o')}"

# Of a feed whose first place is 1. Locks the feed until the end of the transaction. Gives no row
# where the owner's account is deleted: that is read from the locked row, not from the snapshot.
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
            SELECT {_COLUMNS} FROM tweets t LEFT JOIN tweets o ON o.id = t.retweet_of
            WHERE t.id = ANY(:ids)
            """,  # noqa: S608
            {"ids": list(ids)},
        )
        tweets = [_tweet(*row.values()) for row in rows]
        return {tweet.id: tweet for tweet in tweets}

    async def timelines(
        self, author_ids: Collection[UUID], page: PageRequest
    ) -> Mapping[UUID, Page[Tweet]]:
        rows = await self._connection.fetch_all(
            f"""
            SELECT {_COLUMNS} FROM unnest(CAST(:authors AS uuid[])) AS author
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
            """,  # noqa: S608
            {
                "authors": list(author_ids),
                "after": page.after or _FIRST,
                # One more than asked for, on either side, tells whether there are more.
                "limit": page.first + 1,
            },
        )
        found: defaultdict[UUID, list[Tweet]] = defaultdict(list)
        for row in rows:
            tweet = _tweet(*row.values())
            found[tweet.author.id].append(tweet)
        return {author_id: _page(found[author_id], page) for author_id in author_ids}

    async def retweeted(self, user_id: UUID, original_ids: Collection[UUID]) -> Collection[UUID]:
        rows = await self._connection.fetch_all(
            "SELECT retweet_of FROM tweets WHERE author_id = :user AND retweet_of = ANY(:ids)",
            {"user": user_id, "ids": list(original_ids)},
        )
        return {row["retweet_of"] for row in rows}

    async def locked(self, tweet_id: UUID, by: UUID | None = None) -> Tweet | None:
        row = await self._connection.fetch_one(
            f"""
            SELECT EXISTS (
                SELECT FROM feeds WHERE owner_id = :by AND deleted_at IS NOT NULL
            ), {_TWEET} FROM tweets t
            WHERE id = (SELECT coalesce(retweet_of, id) FROM tweets WHERE id = :id)
            FOR UPDATE OF t
            """,  # noqa: S608
            {"id": tweet_id, "by": by},
        )
        if row is None:
            return None
        is_deleted, *columns = row.values()
        if is_deleted:
            raise SessionOver
        # PostgreSQL gives what it locks as it is once the lock is got, which may have taken time.
        original = _tweet(*columns)
        if original.id == tweet_id:
            return original
        # The retweet was seen before, and may be gone by now.
        return (await self.by_ids([tweet_id])).get(tweet_id)

    async def add(self, tweet: Tweet, idempotency_key: str | None) -> tuple[Tweet, int | None]:
        row = await self._connection.fetch_one(
            # Changes nothing where the key is taken, but gives the row that has it, and leaves a
            # place in the feed empty.
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
            RETURNING t.feed_position, {_TWEET}
            """,  # noqa: S608
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
            raise SessionOver
        position, *columns = row.values()
        return _tweet(*columns), position

    async def retweet_by(self, user_id: UUID, original_id: UUID) -> Tweet | None:
        row = await self._connection.fetch_one(
            f"""
            SELECT {_COLUMNS} FROM tweets t JOIN tweets o ON o.id = t.retweet_of
            WHERE t.author_id = :user AND t.retweet_of = :original
            """,  # noqa: S608
            {"user": user_id, "original": original_id},
        )
        return _tweet(*row.values()) if row else None

    async def add_retweet(self, retweet: Tweet) -> tuple[Tweet, int | None]:
        row = await self._connection.fetch_one(
            # Does nothing where there is one already. The author's feed gets no news but keeps
            # their account from being deleted meanwhile, by the weakest lock: news for them from
            # others need not wait.
            f"""
            WITH held AS (
                SELECT deleted_at FROM feeds WHERE owner_id = :author_id FOR KEY SHARE
            ), made AS (
                INSERT INTO feeds (owner_id, head)
                SELECT :author_id, 0 WHERE NOT EXISTS (SELECT FROM held)
                ON CONFLICT (owner_id) DO UPDATE SET head = feeds.head
                WHERE feeds.deleted_at IS NULL
                RETURNING owner_id
            ), counted AS (
                UPDATE tweets SET retweet_count = retweet_count + 1
                WHERE id = :original AND NOT EXISTS (
                    SELECT FROM tweets WHERE author_id = :author_id AND retweet_of = :original
                ) AND (
                    EXISTS (SELECT FROM held WHERE deleted_at IS NULL)
                    OR EXISTS (SELECT FROM made)
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
            """,  # noqa: S608
            {
                "id": retweet.id,
                "author_id": retweet.author.id,
                "author_username": retweet.author.username,
                "original": retweet.original.id,
                "created_at": retweet.created_at,
            },
        )
        if row:
            return retweet, row["feed_position"]
        earlier = await self.retweet_by(retweet.author.id, retweet.original.id)
        if earlier is None:  # nobody takes it back: its original is locked
            raise SessionOver
        return earlier, None

    async def remove(self, tweet: Tweet, event: Event) -> None:
        await self._connection.execute(
            # For an original nothing matches in `counted`, and its retweets go by cascade.
            """
            WITH removed AS (
                DELETE FROM tweets WHERE id = :id RETURNING id, retweet_of
            ), kept AS (
                INSERT INTO deleted_tweets (id, event) SELECT id, :event FROM removed
            )
            UPDATE tweets SET retweet_count = retweet_count - 1
            WHERE id = (SELECT retweet_of FROM removed)
            """,
            {"id": tweet.id, "event": event.to_json()},
        )

    async def feed_heads(self, owner_ids: Collection[UUID]) -> Mapping[UUID, int]:
        rows = await self._connection.fetch_all(
            """
            SELECT owner_id, head FROM feeds
            WHERE owner_id = ANY(:owners) AND deleted_at IS NULL
            """,
            {"owners": list(owner_ids)},
        )
        return {row["owner_id"]: row["head"] for row in rows}

    async def feed(self, owner_id: UUID, after: int, limit: int) -> FeedPage:
        # One statement, so that the head is of the same moment as the rows: what is not among them
        # and not after it never comes.
        rows = await self._connection.fetch_all(
            f"""
            SELECT head, t.feed_position, {_COLUMNS} FROM feeds
            LEFT JOIN LATERAL (
                SELECT * FROM tweets WHERE feed_owner = owner_id AND feed_position > :after
                ORDER BY feed_position LIMIT :limit
            ) t ON true
            LEFT JOIN tweets o ON o.id = t.retweet_of
            WHERE owner_id = :owner AND deleted_at IS NULL
            ORDER BY t.feed_position
            """,  # noqa: S608
            {"owner": owner_id, "after": after, "limit": limit},
        )
        head, items = after, []
        for row in rows:
            head, position, *columns = row.values()
            if position is not None:
                items.append(FeedItem.of(_tweet(*columns), position))
        if len(items) == limit:
            return FeedPage(items, items[-1].position, is_last=False)
        return FeedPage(items, head, is_last=True)

    async def close_author(self, user_id: UUID, now: datetime) -> None:
        for statement, values in (
            ("INSERT INTO feeds (owner_id, head) VALUES (:id, 0) ON CONFLICT DO NOTHING", {}),
            # An UPDATE alone would not wait for those that hold the row FOR KEY SHARE.
            ("SELECT head FROM feeds WHERE owner_id = :id FOR UPDATE", {}),
            (
                """
                UPDATE feeds SET deleted_at = :now WHERE owner_id = :id AND deleted_at IS NULL
                """,
                {"now": now},
            ),
        ):
            await self._connection.execute(statement, {"id": user_id, **values})

    async def known_after(self, tweet_id: UUID, limit: int) -> Sequence[KnownTweet]:
        # One statement, so that a tweet that is being deleted is in it once.
        rows = await self._connection.fetch_all(
            f"""
            (
                SELECT NULL AS event, t.feed_position, {_COLUMNS}
                FROM tweets t LEFT JOIN tweets o ON o.id = t.retweet_of
                WHERE t.id > :after ORDER BY t.id LIMIT :limit
            ) UNION ALL (
                SELECT event, NULL, id{", NULL" * (_COLUMNS.count(","))}
                FROM deleted_tweets WHERE id > :after ORDER BY id LIMIT :limit
            )
            ORDER BY 3 LIMIT :limit
            """,  # noqa: S608
            {"after": tweet_id, "limit": limit},
        )
        known = []
        for row in rows:
            event, position, *columns = row.values()
            tweet = None if event else _tweet(*columns)
            known.append(KnownTweet(columns[0], tweet, position, event))
        return known


@dataclass(frozen=True, slots=True)
class SqlRepositories:
    tweets: SqlTweetRepository
    events: SqlEventOutbox

    @classmethod
    def on(cls, connection: Connection) -> "SqlRepositories":
        return cls(SqlTweetRepository(connection), SqlEventOutbox(connection))


def _tweet(
    tweet_id: UUID,
    author_id: UUID,
    author_username: str,
    text: str,
    created_at: datetime,
    retweet_count: int,
    *original: Any,
) -> Tweet:
    """From the columns of a tweet and, for a retweet, those of its original."""
    author = Author(author_id, author_username)
    if not original or original[0] is None:
        return Tweet(tweet_id, author, text, created_at, retweet_count)
    of = _tweet(*original)
    return Tweet(tweet_id, author, of.text, created_at, of.retweet_count, of)


def _page(found: Sequence[Tweet], page: PageRequest) -> Page[Tweet]:
    """From what was found: where there are more on either side, one of them too."""
    begin = 1 if found and found[0].id >= (page.after or _FIRST) else 0
    end = begin + page.first
    return Page(found[begin:end], has_next=len(found) > end, has_previous=begin > 0)
