"""All SQL of the notifier, one module for each subject."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chassis.database import Connection
from chassis.outbox import SqlEventOutbox
from notifier.addresses import AddressDigests
from notifier.repository.addresses import SqlAddressRepository
from notifier.repository.deliveries import SqlDeliveryRepository
from notifier.repository.inbox import SqlInbox
from notifier.repository.recipients import SqlRecipientRepository
from notifier.repository.retweets import SqlRetweetRepository


@dataclass(frozen=True, slots=True)
class SqlRepositories:
    inbox: SqlInbox
    addresses: SqlAddressRepository
    recipients: SqlRecipientRepository
    retweets: SqlRetweetRepository
    deliveries: SqlDeliveryRepository
    events: SqlEventOutbox
    _connection: Connection

    @classmethod
    def using(cls, digests: AddressDigests) -> Callable[[Connection], "SqlRepositories"]:
        """Return the function that builds the repositories of one unit of work."""

        def on(connection: Connection) -> SqlRepositories:
            addresses = SqlAddressRepository(connection, digests)
            return cls(
                SqlInbox(connection),
                addresses,
                SqlRecipientRepository(connection, addresses),
                SqlRetweetRepository(connection),
                SqlDeliveryRepository(connection, addresses),
                SqlEventOutbox(connection),
                connection,
            )

        return on

    async def purge(self, before: datetime) -> int:
        removed = 0
        for statement in (
            "DELETE FROM inbox WHERE received_at < :before",
            """
            DELETE FROM deliveries
            WHERE created_at < :before AND (
                state IN ('cancelled', 'waiting')
                OR state = 'sent' AND account_mail_id IS NOT NULL
            )
            """,
            "DELETE FROM notices WHERE delivery_id IS NULL AND noticed_at < :before",
            """
            DELETE FROM addresses
            WHERE unsubscribed_at IS NULL AND undeliverable_since IS NULL
                AND (resting_until IS NULL OR resting_until < :before)
            """,
        ):
            removed += await self._connection.fetch_val(
                f"WITH removed AS ({statement} RETURNING 1) SELECT count(*) FROM removed",
                {"before": before},
            )
        return removed
