"""Signs mails with DKIM (RFC 6376, RFC 8463), with the headers that RFC 8058 requires."""

from base64 import b64decode
from dataclasses import dataclass, field

import dkim

from chassis.settings import Secret

_SIGNED = (
    *("from", "to", "subject", "date", "message-id", "mime-version", "content-type"),
    *("list-id", "list-unsubscribe", "list-unsubscribe-post", "auto-submitted"),
)
# Listed once more than they occur, so a second header of the name breaks the signature.
_SEALED = ("from", "to", "subject", "date", "list-unsubscribe", "list-unsubscribe-post")


@dataclass(frozen=True, slots=True)
class DkimSigner:
    """`key` is an RSA key in PEM, or 32 bytes of an Ed25519 key in base64."""

    domain: str
    selector: str
    key: Secret
    _algorithm: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Raises ValueError for an unusable key."""
        is_rsa = self.key.startswith("-----BEGIN")
        if not is_rsa and len(b64decode(self.key, validate=True)) != 32:
            raise ValueError("the key is neither a PEM file nor 32 bytes in base64")
        object.__setattr__(self, "_algorithm", b"rsa-sha256" if is_rsa else b"ed25519-sha256")
        try:
            self(b"From: user@example.com\r\n\r\n")
        except (dkim.DKIMException, dkim.UnparsableKeyError) as error:
            raise ValueError(str(error)) from error

    def __call__(self, message: bytes) -> bytes:
        """Return the header `DKIM-Signature` of a message, with its line break."""
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
