"""The migrated tables also suit the release before the migration."""

from uuid import uuid4

import pytest

from chassis.database import Connection, Database
from chassis.dead_letters import RejectedEvents
from chassis.events import Event


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
