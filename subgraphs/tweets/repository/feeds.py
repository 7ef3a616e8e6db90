"""The SQL of feeds: their positions are in `feeds`, their items are rows of `tweets`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection
from subgraphs.tweets.domain import FeedItem, FeedPage
from subgraphs.tweets.repository.rows import TWEET, tweet_from


@dataclass(frozen=True, slots=True)
class SqlFeedRepository:
    _connection: Connection

    async def heads(self, owner_ids: Collection[UUID]) -> Mapping[UUID, int]:
        rows = await self._connection.fetch_all(
            """
            SELECT owner_id, head FROM feeds
            WHERE owner_id = ANY(:owners) AND deleted_at IS NULL
            """,
            {"owners": list(owner_ids)},
        )
        return {row["owner_id"]: row["head"] for row in rows}

    async def page(self, owner_id: UUID, after: int, limit: int) -> FeedPage:
        # One statement reads the head and the items at the same moment: a position up to the head
        # that is not among the items will never have one.
        rows = await self._connection.fetch_all(
            f"""
            SELECT head, t.feed_position, {TWEET} FROM feeds
            LEFT JOIN LATERAL (
                SELECT * FROM tweets WHERE feed_owner = owner_id AND feed_position > :after
                ORDER BY feed_position LIMIT :limit
            ) t ON true
            LEFT JOIN tweets o ON o.id = t.retweet_of
            WHERE owner_id = :owner AND deleted_at IS NULL
            ORDER BY t.feed_position
            """,
            {"owner": owner_id, "after": after, "limit": limit},
        )
        head, items = after, []
        for row in rows:
            head, position, *columns = row.values()
            if position is not None:
                items.append(FeedItem.of(tweet_from(*columns), position))
        if len(items) == limit:
            return FeedPage(items, items[-1].position, is_last=False)
        return FeedPage(items, head, is_last=True)

    async def is_closed(self, owner_id: UUID) -> bool:
        closed = await self._connection.fetch_val(
            "SELECT deleted_at IS NOT NULL FROM feeds WHERE owner_id = :id", {"id": owner_id}
        )
        return bool(closed)

    async def close(self, owner_id: UUID, now: datetime) -> None:
        for statement, values in (
            ("INSERT INTO feeds (owner_id, head) VALUES (:id, 0) ON CONFLICT DO NOTHING", {}),
            # An UPDATE alone would not wait for transactions that have locked the row FOR KEY
            # SHARE.
            ("SELECT head FROM feeds WHERE owner_id = :id FOR UPDATE", {}),
            (
                """
                UPDATE feeds SET deleted_at = :now WHERE owner_id = :id AND deleted_at IS NULL
                """,
                {"now": now},
            ),
        ):
            await self._connection.execute(statement, {"id": owner_id, **values})
