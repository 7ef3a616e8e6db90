"""The encoded mail, as the standard library parses it."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from typing import Any

import pytest

from notifier.domain import Mail
from notifier.errors import AddressRefused, MailRefused
from notifier.mime import MimeComposer, deliverable

URL = "https://chirp.example/email/unsubscribe?token=" + "abcdefgh" * 20
TEXT = "Grüße 👋\n\n.\n.. a line that begins with a dot\n" + "long " * 100 + "\nends in space \n"
COMPOSE = MimeComposer(
    Address("Chirp", addr_spec="notifications@chirp.example"),
    lambda: datetime(2026, 11, 1, 12, tzinfo=UTC),
)


def mail(**changes: Any) -> Mail:
    values: dict[str, Any] = {
        "message_id": "<1@chirp.example>",
        "to": "ada@example.com",
        "to_name": "ada",
        "subject": "grace retweeted your tweet",
        "text": TEXT,
        "html": f"<p>{TEXT}</p>\n",
        "unsubscribe_url": URL,
    }
    return Mail(**(values | changes))


def composed(**changes: Any) -> EmailMessage:
    content = COMPOSE(mail(**changes)).content
    message = message_from_bytes(content, policy=SMTPUTF8)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def content_of(part: EmailMessage) -> str:
    return str(part.get_content()).replace("\r\n", "\n")


class TestHeaders:
    def test_all_headers_are_there(self) -> None:
        message = composed()
        assert dict(message.items()) == {
            "From": "Chirp <notifications@chirp.example>",
            "To": "ada <ada@example.com>",
            "Subject": "grace retweeted your tweet",
            "Date": "Sun, 01 Nov 2026 12:00:00 +0000",
            "Message-ID": "<1@chirp.example>",
            "List-Id": "Retweets of your tweets <retweets.chirp.example>",
            "List-Unsubscribe": f"<{URL}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
            "Precedence": "list",
            "MIME-Version": "1.0",
            "Content-Type": 'multipart/alternative; boundary="=_the-other-part"',
        }

    def test_long_link_is_not_folded(self) -> None:
        assert f"\r\nList-Unsubscribe: <{URL}>\r\n".encode() in COMPOSE(mail()).content

    def test_names_can_have_any_script(self) -> None:
        name = "Ада Ловлейс"
        subject = f"{name} and {name} and {name} and {name} retweeted your tweet"
        message = composed(to_name=name, subject=subject)
        assert message["To"].addresses[0].display_name == name
        assert message["Subject"] == subject

    def test_address_can_have_an_emoji_newer_than_python(self) -> None:
        message = COMPOSE(mail(to="🩷x@example.com"))
        assert message.needs_smtputf8
        assert message.recipient == "🩷x@example.com"

    def test_special_characters_in_a_name_are_escaped(self) -> None:
        name = 'a "b" <c@d.e>, f\\g; h:'
        (address,) = composed(to_name=name)["To"].addresses
        assert (address.display_name, address.addr_spec) == (name, "ada@example.com")

    @pytest.mark.parametrize("header", ["to_name", "subject", "to"])
    @pytest.mark.parametrize("evil", ["\r\nBcc: eve@example.com", "\nX: y", "\r", "\0", "\x85"])
    def test_line_break_cannot_add_a_header(self, header: str, evil: str) -> None:
        with pytest.raises((MailRefused, AddressRefused)):
            COMPOSE(mail(**{header: f"ada{evil}@example.com"}))


class TestParts:
    def test_parts_decode_to_the_text_and_the_html(self) -> None:
        text, html = composed().iter_parts()
        assert isinstance(text, EmailMessage)
        assert isinstance(html, EmailMessage)
        assert text.get_content_type() == "text/plain"
        assert html.get_content_type() == "text/html"
        assert content_of(text) == TEXT
        assert content_of(html) == f"<p>{TEXT}</p>\n"

    def test_content_is_ascii_with_short_crlf_lines(self) -> None:
        content = COMPOSE(mail()).content
        assert content.isascii()
        assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
        body = content.partition(b"\r\n\r\n")[2]
        assert max(len(line) for line in body.split(b"\r\n")) <= 76

    def test_text_cannot_contain_the_boundary(self) -> None:
        evil = "--=_the-other-part--\n--=_the-other-part\nContent-Type: text/html\n\n<b>\n"
        text, _ = composed(text=evil, html=evil).iter_parts()
        assert isinstance(text, EmailMessage)
        assert content_of(text) == evil


class TestDeliverable:
    def test_domain_is_encoded_in_ascii(self) -> None:
        assert deliverable("ada@bücher.example") == "ada@xn--bcher-kva.example"
        # Not "strasse.example", which is another domain.
        assert deliverable("ada@straße.example") == "ada@xn--strae-oqa.example"

    def test_only_a_mailbox_outside_ascii_needs_smtputf8(self) -> None:
        assert not COMPOSE(mail(to="ada@bücher.example", to_name="Ädä")).needs_smtputf8
        message = COMPOSE(mail(to="ädä@example.com"))
        assert message.needs_smtputf8
        assert message.recipient == "ädä@example.com"
        assert "ädä@example.com".encode() in message.content

    @pytest.mark.parametrize(
        "address",
        ["", "ada", "@example.com", "ada@", "a b@c.d", "<a@b>@c.d", 'a"b@c.d', "ada@-.x", "a@b c"],
    )
    def test_invalid_address_is_refused(self, address: str) -> None:
        with pytest.raises(AddressRefused):
            deliverable(address)


def test_signature_is_the_first_header() -> None:
    composer = MimeComposer(COMPOSE.sender, COMPOSE.now, lambda content: b"Signature: x\r\n")
    content = composer(mail()).content
    assert content == b"Signature: x\r\n" + COMPOSE(mail()).content
    assert message_from_bytes(content, policy=SMTP)["Signature"] == "x"
