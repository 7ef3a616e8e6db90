"""Recognises devices that have signed in before by tokens that only auth can make."""

import hmac
from base64 import b64decode, urlsafe_b64encode
from uuid import UUID

from subgraphs.auth.domain import User

_ID, _SIGNATURE = 16, 32  # bytes
_NO_USER = UUID(int=0)


class HmacDeviceTokens:
    """Implements the port DeviceTokens by HMAC-SHA256; nothing is stored.

    A token is the id of a device and a signature. The signature covers the user and the time at
    which the password was set, so the token is void for other users and after a new password.
    """

    def __init__(self, secret: str) -> None:
        """Sign with a key derived from `secret`."""
        self._key = hmac.digest(secret.encode(), b"device", "sha256")

    def issue(self, user: User, device_id: UUID) -> str:
        content = device_id.bytes + self._signature(user, device_id.bytes)
        return urlsafe_b64encode(content).decode()

    def device(self, token: str, user: User | None) -> UUID | None:
        try:
            content = b64decode(token, altchars=b"-_", validate=True)
        except ValueError:
            return None
        if len(content) != _ID + _SIGNATURE:
            return None
        device_id, signature = content[:_ID], content[_ID:]
        if not hmac.compare_digest(signature, self._signature(user, device_id)):
            return None
        return UUID(bytes=device_id)

    def _signature(self, user: User | None, device_id: bytes) -> bytes:
        """Return the signature; computed without a user too, which takes as long."""
        user_id = user.id if user else _NO_USER
        set_at = user.password_changed_at if user else None
        since = set_at.isoformat().encode() if set_at else b""
        return hmac.digest(self._key, user_id.bytes + device_id + since, "sha256")
