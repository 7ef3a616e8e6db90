"""All SQL of the notifier, by what it is about."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chassis.database import Connection, Database
from chassis.outbox import SqlEventOutbox
from notifier.addresses import AddressDigests
from notifier.ports import T, Work
from notifier.repository.addresses import SqlAddressRepository
from notifier.repository.deliveries import SqlDeliveryRepository
from notifier.repository.events import SqlInbox, SqlRejectedEventRepository
from notifier.repository.recipients import SqlRecipientRepository
from notifier.repository.retweets import SqlRetweetRepository


class SqlRepositories:
    def __init__(self, connection: Connection, digests: AddressDigests) -> None:
        self.inbox = SqlInbox(connection)
        self.addresses = SqlAddressRepository(connection, digests)
        self.recipients = SqlRecipientRepository(connection, self.addresses)
        self.retweets = SqlRetweetRepository(connection)
        self.deliveries = SqlDeliveryRepository(connection, self.addresses)
        self.rejected = SqlRejectedEventRepository(connection)
        self.events = SqlEventOutbox(connection)
        self._connection = connection

    async def purge(self, before: datetime) -> int:
        removed = 0
        for statement in (
            "DELETE FROM inbox WHERE received_at < :before",
            """
            DELETE FROM deliveries
            WHERE state IN ('cancelled', 'waiting') AND created_at < :before
            """,
            "DELETE FROM notices WHERE delivery_id IS NULL AND noticed_at < :before",
            "DELETE FROM addresses WHERE unsubscribed_at IS NULL AND resting_until < :before",
        ):
            removed += await self._connection.fetch_val(
                f"WITH removed AS ({statement} RETURNING 1) SELECT count(*) FROM removed",  # noqa: S608
                {"before": before},
            )
        return removed


@dataclass(frozen=True, slots=True)
class SqlUnitOfWork:
    """Units of work on PostgreSQL. The relay is woken after those that wrote an event."""

    _database: Database
    _digests: AddressDigests
    _wake_relay: Callable[[], None] = lambda: None

    async def transaction(self, work: Work[T]) -> T:
        async def run(connection: Connection) -> tuple[T, bool]:
            repositories = SqlRepositories(connection, self._digests)
            return await work(repositories), repositories.events.written

        result, written = await self._database.transaction(run)
        if written:
            self._wake_relay()
        return result

    async def read(self, work: Work[T]) -> T:
        return await self._database.read(lambda c: work(SqlRepositories(c, self._digests)))
