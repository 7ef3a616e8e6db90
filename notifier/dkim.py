"""DKIM: signs what we send, the links to unsubscribe included (RFC 6376, RFC 8463, RFC 8058)."""

from base64 import b64decode
from dataclasses import dataclass, field

import dkim

from chassis.settings import Secret

_SIGNED = (
    *("from", "to", "subject", "date", "message-id", "mime-version", "content-type"),
    *("list-id", "list-unsubscribe", "list-unsubscribe-post", "auto-submitted"),
)
# Named once more than they are there: then nobody can add another one.
_SEALED = ("from", "to", "subject", "date", "list-unsubscribe", "list-unsubscribe-post")


@dataclass(frozen=True, slots=True)
class DkimSigner:
    domain: str
    selector: str
    key: Secret
    _algorithm: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Raises ValueError for a key that cannot sign."""
        is_rsa = self.key.startswith("-----BEGIN")
        if not is_rsa and len(b64decode(self.key, validate=True)) != 32:
            raise ValueError("it is neither a PEM file nor 32 bytes in base64")
        object.__setattr__(self, "_algorithm", b"rsa-sha256" if is_rsa else b"ed25519-sha256")
        try:
            self(b"From: nobody@example.com\r\n\r\n")
        except (dkim.DKIMException, dkim.UnparsableKeyError) as error:
            raise ValueError(str(error)) from error

    def __call__(self, message: bytes) -> bytes:
        """The header `DKIM-Signature` for a message, line break included."""
        present = {line.partition(b":")[0].lower() for line in _header_lines(message)}
        names = [n for n in (*_SIGNED, *_SEALED) if n.encode() in present]
        header: bytes = dkim.sign(
            message,
            self.selector.encode(),
            self.domain.encode(),
            self.key.encode(),
            canonicalize=(b"relaxed", b"relaxed"),
            signature_algorithm=self._algorithm,
            include_headers=names,
            linesep=b"\r\n",
        )
        return header


def _header_lines(message: bytes) -> list[bytes]:
    return message.partition(b"\r\n\r\n")[0].split(b"\r\n")
