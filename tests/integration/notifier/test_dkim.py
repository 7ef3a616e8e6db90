"""DKIM signatures, verified by another implementation (mailauth)."""

import io
import json
import subprocess
import threading
from base64 import b64encode
from datetime import UTC, datetime
from email.headerregistry import Address
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from chassis.settings import Secret
from notifier.dkim import DkimSigner
from notifier.domain import Mail
from notifier.mime import MimeComposer
from stack.commands import Commands
from stack.console import Console
from stack.node import install_packages

MAILAUTH = Path(__file__).with_name("mailauth")
MAIL = Mail(
    message_id="<1@chirp.example>",
    to="ada@example.com",
    to_name="Ädä",
    subject="grace 👋 retweeted your tweet",
    text="Hello\n.\n trailing space \n\n\n",
    html="<p>Grüße</p>\n",
    unsubscribe_url="https://chirp.example/email/unsubscribe?token=" + "x" * 150,
)


@pytest.fixture(scope="module")
def node() -> Path:
    """Node, with mailauth installed from its lock file."""
    return install_packages(Commands(Console(io.StringIO()), threading.Event()), MAILAUTH)


def rsa_key() -> tuple[str, str]:
    """Return the setting and the DNS record of a key."""
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), f"v=DKIM1; k=rsa; p={b64encode(public).decode()}"


def ed25519_key() -> tuple[str, str]:
    key = ed25519.Ed25519PrivateKey.generate()
    public = b64encode(key.public_key().public_bytes_raw()).decode()
    return b64encode(key.private_bytes_raw()).decode(), f"v=DKIM1; k=ed25519; p={public}"


def verified(node: Path, message: bytes, record: str) -> dict[str, Any]:
    answer = subprocess.run(
        [node, MAILAUTH / "verify.mjs", record], input=message, capture_output=True, check=True
    )
    assert answer.stderr.decode().strip() in {"mail._domainkey.chirp.example", ""}
    (result,) = json.loads(answer.stdout)
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize("make_key", [rsa_key, ed25519_key])
class TestSignature:
    def message(self, key: str) -> bytes:
        return MimeComposer(
            Address("Chirp", addr_spec="notifications@chirp.example"),
            lambda: datetime.now(UTC),
            DkimSigner("chirp.example", "mail", Secret(key)),
        )(MAIL).content

    def test_signature_covers_the_links_to_unsubscribe(self, node: Path, make_key: Any) -> None:
        key, record = make_key()
        result = verified(node, self.message(key), record)
        assert result["result"] == "pass", result
        assert (result["domain"], result["selector"]) == ("chirp.example", "mail")
        assert {
            *("from", "to", "subject", "date", "message-id"),
            *("list-unsubscribe", "list-unsubscribe-post"),
        } <= set(result["headers"])

    @pytest.mark.parametrize(
        ("part", "forged"),
        [
            (b"token=x", b"token=y"),
            (b"Hello", b"Jello"),
            (b"Subject: ", b"Subject: Re: "),
            (b"To: ", b"To: eve@example.com\r\nTo: "),
            (b"List-Unsubscribe: ", b"List-Unsubscribe: <https://eve>\r\nList-Unsubscribe: "),
        ],
    )
    def test_any_change_breaks_the_signature(
        self, node: Path, make_key: Any, part: bytes, forged: bytes
    ) -> None:
        key, record = make_key()
        message = self.message(key)
        changed = message.replace(part, forged, 1)
        assert changed != message
        assert verified(node, changed, record)["result"] != "pass"
