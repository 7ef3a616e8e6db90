"""Keyed digests of mail addresses, which are kept after an account is deleted."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

_PURPOSE = b"notifier.address\0"
_LENGTH = 16
"""Bytes. A collision cannot be constructed without the key."""


@dataclass(frozen=True, slots=True)
class AddressDigests:
    """HMAC-SHA256 under `keys`, the current one first.

    Without the key a digest reveals nothing, not even whether a guessed address is right. A digest
    of an earlier key is found while that key is listed.
    """

    keys: Sequence[str]

    def of(self, address: str) -> bytes:
        """Return the digest to store. It ignores case, as accounts do."""
        return _digest(self.keys[0], address)

    def all(self, address: str) -> Sequence[bytes]:
        """Return every digest under which the address may be stored, the current one first."""
        return [_digest(key, address) for key in self.keys]


def _digest(key: str, address: str) -> bytes:
    message = _PURPOSE + address.casefold().encode()
    return hmac.digest(key.encode(), message, hashlib.sha256)[:_LENGTH]
