"""The mails that are to be sent, and what has become of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection, Row
from chassis.tracing import traceparent
from notifier.domain import Delivery, Draft, Outcome, State, Tweet
from notifier.repository.recipients import recipient

_NAMES = 2
"""How many retweeters a mail names."""

_COLUMNS = """
    d.id, d.event_id, d.recipient_id, d.tweet_id, d.message_id, d.digest, d.state, d.attempts,
    d.created_at, d.due_at, d.taken_at, d.sent_at, d.last_error, d.traceparent
"""


@dataclass(frozen=True, slots=True)
class SqlDeliveryRepository:
    """`due_at` of a delivery that somebody has taken is when their right to it ends."""

    _connection: Connection

    async def add(self, delivery: Delivery) -> None:
        await self._connection.execute(
            """
            INSERT INTO deliveries (id, event_id, recipient_id, tweet_id, message_id, digest,
                                    state, attempts, created_at, due_at, traceparent)
            VALUES (:id, :event_id, :recipient_id, :tweet_id, :message_id, :digest,
                    :state, :attempts, :created_at, :due_at, :traceparent)
            """,
            {
                "id": delivery.id,
                "event_id": delivery.event_id,
                "recipient_id": delivery.recipient_id,
                "tweet_id": delivery.tweet_id,
                "message_id": delivery.message_id,
                "digest": delivery.digest,
                "state": delivery.state,
                "attempts": delivery.attempts,
                "created_at": delivery.created_at,
                "due_at": delivery.due_at,
                "traceparent": traceparent(),
            },
        )

    async def release(self, recipient_id: UUID, now: datetime) -> None:
        await self._connection.execute(
            """
            UPDATE deliveries SET state = 'pending', due_at = greatest(due_at, :now)
            WHERE recipient_id = :id AND state = 'waiting'
            """,
            {"id": recipient_id, "now": now},
        )

    async def held(self, delivery_id: UUID) -> Delivery | None:
        row = await self._connection.fetch_one(
            f"SELECT {_COLUMNS} FROM deliveries d WHERE id = :id FOR UPDATE",  # noqa: S608
            {"id": delivery_id},
        )
        return _delivery(row) if row else None

    async def last_about(self, tweet_id: UUID) -> Delivery | None:
        row = await self._connection.fetch_one(
            f"""
            SELECT {_COLUMNS} FROM deliveries d
            WHERE tweet_id = :tweet AND state <> 'cancelled'
            ORDER BY id DESC LIMIT 1 FOR UPDATE
            """,  # noqa: S608
            {"tweet": tweet_id},
        )
        return _delivery(row) if row else None

    async def take(self, limit: int, *, now: datetime, until: datetime) -> Sequence[Delivery]:
        # Not `IN (SELECT …)`: that may read all that is due, to take a few.
        rows = await self._connection.fetch_all(
            f"""
            UPDATE deliveries d
            SET attempts = attempts + 1, due_at = :until, taken_at = coalesce(taken_at, :now)
            WHERE id = ANY(ARRAY(
                SELECT id FROM deliveries
                WHERE state IN ('pending', 'failed') AND due_at <= :now
                ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
            ))
            RETURNING {_COLUMNS}
            """,  # noqa: S608
            {"now": now, "until": until, "limit": limit},
        )
        return [_delivery(row) for row in rows]

    async def next_due(self) -> datetime | None:
        due_at: datetime | None = await self._connection.fetch_val(
            "SELECT min(due_at) FROM deliveries WHERE state IN ('pending', 'failed')"
        )
        return due_at

    async def waiting_since(self) -> datetime | None:
        since: datetime | None = await self._connection.fetch_val(
            "SELECT min(created_at) FROM deliveries WHERE state = 'waiting'"
        )
        return since

    async def drafts(self, ids: Collection[UUID]) -> Sequence[Draft]:
        rows = await self._connection.fetch_all(
            f"""
            SELECT {_COLUMNS}, r.user_id, r.username, r.email, r.retweets, r.settings_changed_at,
                   t.author_id, t.text,
                   (SELECT count(*) FROM notices
                    WHERE delivery_id = d.id AND NOT undone) AS retweeters,
                   ARRAY(SELECT n.username FROM notices n
                         WHERE n.delivery_id = d.id AND NOT n.undone
                         ORDER BY n.retweet_id LIMIT {_NAMES}) AS names
            FROM deliveries d
            LEFT JOIN recipients r ON r.user_id = d.recipient_id AND r.deleted_at IS NULL
            LEFT JOIN tweets t ON t.id = d.tweet_id AND t.deleted_at IS NULL
            WHERE d.id = ANY(:ids)
            """,  # noqa: S608
            {"ids": list(ids)},
        )
        return [_draft(row) for row in rows]

    async def record(self, outcomes: Sequence[Outcome]) -> None:
        await self._connection.execute(
            """
            UPDATE deliveries d
            SET state = o.state,
                sent_at = CASE WHEN o.state = 'sent' THEN o.at END,
                due_at = o.due_at,
                last_error = o.error,
                attempts = CASE WHEN o.counts THEN d.attempts ELSE d.attempts - 1 END
            FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS integer[]), CAST(:states AS text[]),
                        CAST(:times AS timestamptz[]), CAST(:dues AS timestamptz[]),
                        CAST(:counts AS boolean[]), CAST(:errors AS text[]))
                 AS o(id, number, state, at, due_at, counts, error)
            WHERE d.id = o.id AND (
                o.state = 'sent' OR (d.state IN ('pending', 'failed') AND o.number = d.attempts)
            )
            """,
            {
                "ids": [outcome.delivery_id for outcome in outcomes],
                "numbers": [outcome.attempt for outcome in outcomes],
                "states": [outcome.state for outcome in outcomes],
                "times": [outcome.at for outcome in outcomes],
                "dues": [outcome.due_at for outcome in outcomes],
                "counts": [outcome.counts for outcome in outcomes],
                "errors": [outcome.error for outcome in outcomes],
            },
        )

    async def dead(self) -> Sequence[Delivery]:
        rows = await self._connection.fetch_all(
            f"SELECT {_COLUMNS} FROM deliveries d WHERE state = 'dead' ORDER BY created_at"  # noqa: S608
        )
        return [_delivery(row) for row in rows]

    async def revive(self, delivery_id: UUID, now: datetime) -> bool:
        revived = await self._connection.fetch_val(
            """
            UPDATE deliveries SET state = 'pending', attempts = 0, due_at = :now
            WHERE id = :id AND state = 'dead' RETURNING true
            """,
            {"id": delivery_id, "now": now},
        )
        return bool(revived)

    async def cancel(self, delivery_id: UUID, reason: str) -> bool:
        cancelled = await self._connection.fetch_val(
            """
            UPDATE deliveries SET state = 'cancelled', last_error = :reason
            WHERE id = :id AND state NOT IN ('sent', 'cancelled') RETURNING true
            """,
            {"id": delivery_id, "reason": reason},
        )
        return bool(cancelled)


def _delivery(row: Row) -> Delivery:
    return Delivery(
        id=row["id"],
        event_id=row["event_id"],
        recipient_id=row["recipient_id"],
        tweet_id=row["tweet_id"],
        message_id=row["message_id"],
        digest=row["digest"],
        created_at=row["created_at"],
        due_at=row["due_at"],
        state=State(row["state"]),
        attempts=row["attempts"],
        taken_at=row["taken_at"],
        sent_at=row["sent_at"],
        last_error=row["last_error"],
        traceparent=row["traceparent"],
    )


def _draft(row: Row) -> Draft:
    to = recipient(row) if row["user_id"] else None
    about = Tweet(row["tweet_id"], row["author_id"], row["text"]) if row["author_id"] else None
    return Draft(_delivery(row), to, about, row["names"], row["retweeters"])
