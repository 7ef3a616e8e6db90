"""Facts about addresses, by their digests."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from chassis.database import Connection
from notifier.addresses import AddressDigests


@dataclass(frozen=True, slots=True)
class SqlAddressRepository:
    _connection: Connection
    _digests: AddressDigests

    async def unsubscribed(self, addresses: Collection[str | None]) -> Collection[str]:
        """Return those of the addresses that are unsubscribed."""
        known = {digest: a for a in addresses if a for digest in self._digests.all(a)}
        if not known:
            return ()
        rows = await self._connection.fetch_all(
            """
            SELECT digest FROM addresses
            WHERE digest = ANY(:digests) AND unsubscribed_at IS NOT NULL
            """,
            {"digests": list(known)},
        )
        return {known[row["digest"]] for row in rows}

    async def unsubscribe(self, digest: bytes, now: datetime) -> None:
        await self._connection.execute(
            """
            INSERT INTO addresses (digest, unsubscribed_at) VALUES (:digest, :now)
            ON CONFLICT (digest) DO UPDATE
            SET unsubscribed_at = coalesce(addresses.unsubscribed_at, excluded.unsubscribed_at)
            """,
            {"digest": digest, "now": now},
        )

    async def resubscribe(self, digests: Collection[bytes]) -> None:
        await self._connection.execute(
            "UPDATE addresses SET unsubscribed_at = NULL WHERE digest = ANY(:digests)",
            {"digests": list(digests)},
        )

    async def set_window_end(self, digest: bytes, end: datetime) -> None:
        await self._connection.execute(
            """
            INSERT INTO addresses (digest, resting_until) VALUES (:digest, :end)
            ON CONFLICT (digest) DO UPDATE
            SET resting_until = greatest(addresses.resting_until, excluded.resting_until)
            """,
            {"digest": digest, "end": end},
        )

    async def window_end(self, digests: Collection[bytes]) -> datetime | None:
        end: datetime | None = await self._connection.fetch_val(
            "SELECT max(resting_until) FROM addresses WHERE digest = ANY(:digests)",
            {"digests": list(digests)},
        )
        return end
