"""Unsubscribed addresses, undeliverable ones, and windows that outlive an account, by digest."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from chassis.database import Connection
from notifier.addresses import AddressDigests


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why no mail about retweets is sent to an address."""

    unsubscribed: bool = False
    undeliverable_since: datetime | None = None
    """When the mail server last refused the address."""


@dataclass(frozen=True, slots=True)
class SqlAddressRepository:
    _connection: Connection
    _digests: AddressDigests

    async def suppressed(self, addresses: Collection[str | None]) -> Mapping[str, Suppression]:
        """Return the suppressed ones of these addresses, each with the reason."""
        known = {digest: a for a in addresses if a for digest in self._digests.all(a)}
        if not known:
            return {}
        # An address may have a row for each key.
        found: dict[str, Suppression] = {}
        for row in await self._connection.fetch_all(
            """
            SELECT digest, unsubscribed_at IS NOT NULL AS unsubscribed, undeliverable_since
            FROM addresses
            WHERE digest = ANY(:digests)
                AND (unsubscribed_at IS NOT NULL OR undeliverable_since IS NOT NULL)
            """,
            {"digests": list(known)},
        ):
            address = known[row["digest"]]
            other = found.get(address, Suppression())
            found[address] = Suppression(
                row["unsubscribed"] or other.unsubscribed,
                max(
                    filter(None, (row["undeliverable_since"], other.undeliverable_since)),
                    default=None,
                ),
            )
        return found

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

    async def save_refusal(self, address: str, at: datetime) -> None:
        await self._connection.execute(
            """
            INSERT INTO addresses (digest, undeliverable_since) VALUES (:digest, :at)
            ON CONFLICT (digest) DO UPDATE
            SET undeliverable_since =
                greatest(addresses.undeliverable_since, excluded.undeliverable_since)
            """,
            {"digest": self._digests.of(address), "at": at},
        )

    async def save_verification(self, address: str, at: datetime) -> None:
        await self._connection.execute(
            """
            UPDATE addresses SET undeliverable_since = NULL
            WHERE digest = ANY(:digests) AND undeliverable_since < :at
            """,
            {"digests": list(self._digests.all(address)), "at": at},
        )

    async def undeliverable_since(self, address: str) -> datetime | None:
        since: datetime | None = await self._connection.fetch_val(
            "SELECT max(undeliverable_since) FROM addresses WHERE digest = ANY(:digests)",
            {"digests": list(self._digests.all(address))},
        )
        return since
