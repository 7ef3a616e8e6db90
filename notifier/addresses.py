"""Keyed digests of mail addresses: what is remembered of an address when its account is deleted."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

_PURPOSE = b"notifier.address\0"
_LENGTH = 16
"""Bytes: nobody looks for two addresses of one digest who does not have the key."""


@dataclass(frozen=True, slots=True)
class AddressDigests:
    """HMAC-SHA256 under `keys`, the current one first.

    Without a key a digest does not reveal its address, not even to a guess. What was written under
    an earlier key is found as long as that key is listed.
    """

    keys: Sequence[str]

    def of(self, address: str) -> bytes:
        """Return the digest to store. Case does not matter, as it does not for accounts."""
        return _digest(self.keys[0], address)

    def all(self, address: str) -> Sequence[bytes]:
        """Return every digest under which the address may be stored, the current one first."""
        return [_digest(key, address) for key in self.keys]


def _digest(key: str, address: str) -> bytes:
    message = _PURPOSE + address.casefold().encode()
    return hmac.digest(key.encode(), message, hashlib.sha256)[:_LENGTH]
