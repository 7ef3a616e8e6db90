"""Migrations keep the rows, and the migrated tables also suit the release before."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from chassis.database import Connection, Database
from chassis.dead_letters import RejectedEvents
from chassis.events import Event
from chassis.migrations import upgrade, versions_of
from chassis.unit_of_work import SqlUnitOfWork
from notifier.domain import Delivery
from notifier.repository import SqlRepositories
from tests.integration.conftest import FreshDatabase
from tests.unit.notifier.fakes import DIGESTS


@pytest.fixture
def rejected_events(database: Database) -> RejectedEvents:
    async def handle(_: Event) -> None: ...

    return RejectedEvents(database, handle)


class TestRejectedEvents:
    async def test_row_of_the_earlier_release_is_a_dead_letter(
        self, database: Database, rejected_events: RejectedEvents
    ) -> None:
        letter_id = uuid4()

        async def insert(connection: Connection) -> None:
            await connection.execute(
                """
                INSERT INTO rejected_events (id, raw, reason, rejected_at)
                VALUES (:id, 'text', 'reason', now())
                """,
                {"id": letter_id},
            )

        await database.transaction(insert)
        letter = await rejected_events.get(str(letter_id))
        assert (letter.details, letter.reason) == ("text", "reason")

    async def test_earlier_release_reads_a_new_row(
        self, database: Database, rejected_events: RejectedEvents
    ) -> None:
        await rejected_events.add("text", "reason")
        row = await database.read(lambda c: c.fetch_one("SELECT * FROM rejected_events"))
        assert row
        (letter,) = await rejected_events.all()
        assert (str(row["id"]), row["raw"]) == (letter.id, "text")


class TestAccountMails:
    """Migration notifier0008."""

    async def test_earlier_mails_and_recipients_are_kept(
        self, fresh_database: FreshDatabase, tmp_path: Path
    ) -> None:
        for file in versions_of("notifier").glob("000[1-7]*.py"):
            (tmp_path / file.name).write_text(file.read_text())
        url = await fresh_database("notifier_before", tmp_path)
        database = Database(url)
        await database.connect()
        try:
            ada, delivery = uuid4(), uuid4()
            await database.transaction(lambda c: self.add_earlier_mail(c, ada, delivery))
            await upgrade(url, versions_of("notifier"))
            work = SqlUnitOfWork(database, SqlRepositories.using(DIGESTS))
            recipient = await work.transaction(lambda r: r.recipients.lock(ada))
            assert recipient
            assert (recipient.email, recipient.email_verified_at) == ("ada@example.com", None)
            kept = await work.transaction(lambda r: r.deliveries.lock(delivery))
            assert kept
            assert (kept.recipient_id, kept.account_mail_id) == (ada, None)
        finally:
            await database.disconnect()

    async def test_earlier_release_adds_a_mail_to_the_new_tables(self, database: Database) -> None:
        ada, delivery = uuid4(), uuid4()
        await database.transaction(lambda c: self.add_earlier_mail(c, ada, delivery))
        work = SqlUnitOfWork(database, SqlRepositories.using(DIGESTS))
        now = datetime.now(UTC)
        leased = await work.transaction(
            lambda r: r.deliveries.lease(9, account_mails=9, now=now, until=now)
        )
        assert leased == [delivery]

    @staticmethod
    async def add_earlier_mail(connection: Connection, ada: UUID, delivery: UUID) -> None:
        """Insert rows with the statements of the release before."""
        await connection.execute(
            """
            INSERT INTO recipients (user_id, username, email, retweets)
            VALUES (:id, 'ada', 'ada@example.com', true)
            """,
            {"id": ada},
        )
        await connection.execute(
            """
            INSERT INTO deliveries (id, event_id, recipient_id, tweet_id, message_id, digest,
                                    state, attempts, created_at, due_at)
            VALUES (:id, :id, :ada, :ada, '<1@x>', false, 'pending', 0, now(), now())
            """,
            {"id": delivery, "ada": ada},
        )


class TestLease:
    """A mail about an account is found behind many digests that are due."""

    async def test_account_mail_is_leased_without_reading_the_digests(
        self, database: Database
    ) -> None:
        now = datetime.now(UTC)
        await database.transaction(
            lambda c: c.execute(
                """
                INSERT INTO deliveries (id, event_id, recipient_id, tweet_id, message_id, digest,
                                        state, attempts, created_at, due_at)
                SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
                       'digest ' || n, true, 'pending', 0, :now, :now
                FROM generate_series(1, 20000) n
                """,
                {"now": now - timedelta(hours=1)},
            )
        )
        reset = uuid4()
        work = SqlUnitOfWork(database, SqlRepositories.using(DIGESTS))
        mail = Delivery(reset, reset, None, None, "<1@x>", False, now, now, account_mail_id=reset)
        await work.transaction(lambda r: r.deliveries.add(mail))
        await database.read(lambda c: c.execute("ANALYZE deliveries"))
        for account_mails, leased in ((1, {reset}), (0, set())):
            found = await work.transaction(
                lambda r, limit=account_mails: r.deliveries.lease(  # type: ignore[misc]
                    1, account_mails=limit, now=now, until=now + timedelta(hours=1)
                )
            )
            assert len(found) == 1
            assert {reset} & set(found) == leased
        plan = await database.read(
            lambda c: c.fetch_all(
                """
                EXPLAIN SELECT id FROM deliveries
                WHERE account_mail_id IS NOT NULL
                    AND state IN ('pending', 'failed') AND due_at <= now()
                ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
                """
            )
        )
        assert any("deliveries_account_mails_due_at" in row["QUERY PLAN"] for row in plan)
