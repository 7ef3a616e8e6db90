"""Mails that are to be sent, and the results of their attempts."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection, Row
from chassis.tracing import traceparent
from notifier.domain import Delivery, Draft, Outcome, ReportedTweet, State, Tweet
from notifier.repository.addresses import SqlAddressRepository
from notifier.repository.recipients import recipient

_NAMES = 2
"""The number of retweeters that a mail names, in all and for each tweet."""

_TWEETS = 5
"""The number of tweets that a mail shows."""

_COLUMNS = """
    d.id, d.event_id, d.recipient_id, d.tweet_id, d.message_id, d.digest, d.state, d.attempts,
    d.created_at, d.due_at, d.taken_at, d.sent_at, d.last_error, d.traceparent, d.account_mail_id
"""


@dataclass(frozen=True, slots=True)
class SqlDeliveryRepository:
    _connection: Connection
    _addresses: SqlAddressRepository

    async def add(self, delivery: Delivery) -> None:
        await self._connection.execute(
            """
            INSERT INTO deliveries (id, event_id, recipient_id, tweet_id, message_id, digest,
                                    state, attempts, created_at, due_at, traceparent,
                                    account_mail_id)
            VALUES (:id, :event_id, :recipient_id, :tweet_id, :message_id, :digest,
                    :state, :attempts, :created_at, :due_at, :traceparent, :account_mail_id)
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
                "account_mail_id": delivery.account_mail_id,
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

    async def postpone(self, recipient_id: UUID, until: datetime) -> None:
        await self._connection.execute(
            """
            UPDATE deliveries SET due_at = :until
            WHERE recipient_id = :id AND state IN ('waiting', 'pending', 'failed')
                AND due_at < :until
            """,
            {"id": recipient_id, "until": until},
        )

    async def lock(self, delivery_id: UUID) -> Delivery | None:
        row = await self._connection.fetch_one(
            f"SELECT {_COLUMNS} FROM deliveries d WHERE id = :id FOR UPDATE",
            {"id": delivery_id},
        )
        return _delivery(row) if row else None

    async def lock_last(self, recipient_id: UUID) -> Delivery | None:
        row = await self._connection.fetch_one(
            f"""
            SELECT {_COLUMNS} FROM deliveries d
            WHERE recipient_id = :recipient AND state <> 'cancelled'
            ORDER BY id DESC LIMIT 1 FOR UPDATE
            """,
            {"recipient": recipient_id},
        )
        return _delivery(row) if row else None

    async def of_recipient(self, recipient_id: UUID, after: UUID, limit: int) -> Sequence[Delivery]:
        rows = await self._connection.fetch_all(
            f"""
            SELECT {_COLUMNS} FROM deliveries d
            WHERE recipient_id = :recipient AND id > :after ORDER BY id LIMIT :limit
            """,
            {"recipient": recipient_id, "after": after, "limit": limit},
        )
        return [_delivery(row) for row in rows]

    async def lease(
        self, limit: int, *, account_mails: int, now: datetime, until: datetime
    ) -> Sequence[UUID]:
        # Not `IN (SELECT …)`: its plan may read every due row to lease a few. The second part is
        # read only as far as the first one leaves room.
        rows = await self._connection.fetch_all(
            """
            UPDATE deliveries
            SET attempts = attempts + 1, due_at = :until, taken_at = coalesce(taken_at, :now)
            WHERE id = ANY(ARRAY(
                SELECT id FROM (
                    SELECT id FROM deliveries
                    WHERE account_mail_id IS NOT NULL
                        AND state IN ('pending', 'failed') AND due_at <= :now
                    ORDER BY due_at LIMIT :account_mails FOR UPDATE SKIP LOCKED
                ) account_mails
                UNION ALL
                SELECT id FROM (
                    SELECT id FROM deliveries
                    WHERE account_mail_id IS NULL
                        AND state IN ('pending', 'failed') AND due_at <= :now
                    ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
                ) retweet_mails
                LIMIT :limit
            ))
            RETURNING id
            """,
            {"now": now, "until": until, "limit": limit, "account_mails": account_mails},
        )
        return [row["id"] for row in rows]

    async def next_due(self, *, account_mails: bool = True) -> datetime | None:
        due_at: datetime | None = await self._connection.fetch_val(
            "SELECT min(due_at) FROM deliveries WHERE state IN ('pending', 'failed')"
            + ("" if account_mails else " AND account_mail_id IS NULL")
        )
        return due_at

    async def waiting_since(self) -> datetime | None:
        since: datetime | None = await self._connection.fetch_val(
            """
            SELECT min(created_at) FROM recipients r
            JOIN deliveries d ON d.recipient_id = r.user_id AND d.state = 'waiting'
            WHERE r.username IS NULL AND r.deleted_at IS NULL
            """
        )
        return since

    async def drafts(self, ids: Collection[UUID]) -> Sequence[Draft]:
        rows = await self._connection.fetch_all(
            f"""
            SELECT {_COLUMNS}, r.user_id, r.username, r.email, r.email_verified_at, r.retweets,
                   r.settings_changed_at,
                   (SELECT count(DISTINCT retweeter_id) FROM notices
                    WHERE delivery_id = d.id AND NOT undone) AS retweeters,
                   ARRAY(SELECT username FROM (
                             SELECT DISTINCT ON (retweeter_id) username, retweet_id FROM notices
                             WHERE delivery_id = d.id AND NOT undone
                             ORDER BY retweeter_id, retweet_id
                         ) n ORDER BY retweet_id LIMIT {_NAMES}) AS names
            FROM deliveries d
            LEFT JOIN recipients r ON r.user_id = d.recipient_id AND r.deleted_at IS NULL
            WHERE d.id = ANY(:ids)
            """,
            {"ids": list(ids)},
        )
        suppressed = await self._addresses.suppressed([row["email"] for row in rows])
        reported, tweets = await self._reported(ids)
        return [
            Draft(
                delivery=_delivery(row),
                recipient=recipient(row, suppressed) if row["user_id"] else None,
                reported=reported[row["id"]],
                tweets=tweets[row["id"]],
                names=row["names"],
                retweeters=row["retweeters"],
            )
            for row in rows
        ]

    async def _reported(
        self, ids: Collection[UUID]
    ) -> tuple[Mapping[UUID, Sequence[ReportedTweet]], Mapping[UUID, int]]:
        """Return for each delivery the tweets that it shows, and the number that it is about."""
        rows = await self._connection.fetch_all(
            f"""
            SELECT s.delivery_id, s.tweets, s.retweeters, t.id, t.author_id, t.text,
                   ARRAY(SELECT username FROM notices
                         WHERE delivery_id = s.delivery_id AND tweet_id = t.id AND NOT undone
                         ORDER BY retweet_id LIMIT {_NAMES}) AS names
            FROM (
                SELECT delivery_id, tweet_id, count(*) AS retweeters,
                       count(*) OVER (PARTITION BY delivery_id) AS tweets,
                       row_number() OVER (PARTITION BY delivery_id
                                          ORDER BY count(*) DESC, tweet_id) AS rank
                FROM notices JOIN tweets ON id = tweet_id AND deleted_at IS NULL
                WHERE delivery_id = ANY(:ids) AND NOT undone
                GROUP BY delivery_id, tweet_id
            ) s JOIN tweets t ON t.id = s.tweet_id
            WHERE rank <= {_TWEETS} ORDER BY s.delivery_id, rank
            """,
            {"ids": list(ids)},
        )
        shown: defaultdict[UUID, list[ReportedTweet]] = defaultdict(list)
        tweets: defaultdict[UUID, int] = defaultdict(int)
        for row in rows:
            tweet = Tweet(row["id"], row["author_id"], row["text"])
            shown[row["delivery_id"]].append(ReportedTweet(tweet, row["names"], row["retweeters"]))
            tweets[row["delivery_id"]] = row["tweets"]
        return shown, tweets

    async def save_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        await self._connection.execute(
            """
            UPDATE deliveries d
            SET state = o.state,
                sent_at = CASE WHEN o.state = 'sent' THEN o.at END,
                due_at = o.due_at,
                last_error = o.error,
                digest = d.digest OR o.state = 'waiting',
                taken_at =
                    CASE WHEN o.state = 'waiting' AND o.number = 1 THEN NULL ELSE d.taken_at END,
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

    async def dead(self, delivery_id: UUID) -> Delivery | None:
        row = await self._connection.fetch_one(
            f"SELECT {_COLUMNS} FROM deliveries d WHERE id = :id AND state = 'dead'",
            {"id": delivery_id},
        )
        return _delivery(row) if row else None

    async def all_dead(self) -> Sequence[Delivery]:
        rows = await self._connection.fetch_all(
            f"SELECT {_COLUMNS} FROM deliveries d WHERE state = 'dead' ORDER BY created_at"
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
        first_leased_at=row["taken_at"],
        sent_at=row["sent_at"],
        last_error=row["last_error"],
        traceparent=row["traceparent"],
        account_mail_id=row["account_mail_id"],
    )
