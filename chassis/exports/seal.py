"""Encrypts and authenticates what is exchanged for one export."""

import hmac
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12  # bytes


class SealBrokenError(Exception):
    """A text was not sealed with this secret, for this export and under this label."""


class Seal:
    """AES-256-GCM with a key of the export's own, derived from the secret that services share.

    Whoever can read or write Redis without that secret learns nothing and can forge nothing.
    """

    def __init__(self, secret: str, export_id: UUID) -> None:
        key = hmac.digest(secret.encode(), b"user-export:" + export_id.bytes, "sha256")
        self._cipher = AESGCM(key)

    def close(self, label: str, text: bytes) -> bytes:
        """Return the sealed text. It opens under the same label only."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, text, label.encode())

    def open(self, label: str, sealed: bytes) -> bytes:
        """Return the text. Raises SealBrokenError."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], label.encode())
        except (InvalidTag, ValueError):
            raise SealBrokenError from None
