"""Derives the codes in account mails (docs/adr/0022-account-mails.md)."""

import hmac
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256

from subgraphs.auth.domain import SHORT_CODE_DIGITS


class HmacCodes:
    """Implements the port CodeMint by HMAC-SHA256.

    The database holds seeds only; no code can be derived from one without the secret.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def seed(self) -> bytes:
        return secrets.token_bytes(32)

    def code(self, seed: bytes) -> str:
        digest = hmac.digest(self._secret, b"code\0" + seed, "sha256")
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    def short_code(self, seed: bytes) -> str:
        digest = hmac.digest(self._secret, b"short code\0" + seed, "sha256")
        # The remainder of 256 bits is as good as evenly distributed.
        return str(int.from_bytes(digest) % 10**SHORT_CODE_DIGITS).zfill(SHORT_CODE_DIGITS)

    def hash(self, code: str) -> bytes:
        # JSON admits lone surrogates, which UTF-8 does not.
        return sha256(code.encode(errors="surrogatepass")).digest()
