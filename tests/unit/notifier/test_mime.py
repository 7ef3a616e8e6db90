"""The bytes of a mail, read by the standard library."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from typing import Any

import pytest

from notifier.domain import Mail
from notifier.errors import MailRefused
from notifier.mime import Composer, deliverable

URL = "https://chirp.example/email/unsubscribe?token=" + "abcdefgh" * 20
TEXT = "Grüße 👋\n\n.\n.. a line that begins with a dot\n" + "long " * 100 + "\nends in space \n"
COMPOSE = Composer(
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


def said(part: EmailMessage) -> str:
    return str(part.get_content()).replace("\r\n", "\n")


class TestHeaders:
    def test_they_are_all_there(self) -> None:
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

    def test_a_link_stays_in_one_piece(self) -> None:
        assert f"\r\nList-Unsubscribe: <{URL}>\r\n".encode() in COMPOSE(mail()).content

    def test_names_may_be_in_any_script(self) -> None:
        name = "Ада Ловлейс"
        subject = f"{name} and {name} and {name} and {name} retweeted your tweet"
        message = composed(to_name=name, subject=subject)
        assert message["To"].addresses[0].display_name == name
        assert message["Subject"] == subject

    def test_an_address_may_have_an_emoji_newer_than_this_python(self) -> None:
        message = COMPOSE(mail(to="🩷x@example.com"))
        assert message.needs_smtputf8
        assert message.recipient == "🩷x@example.com"

    def test_names_may_hold_what_headers_are_made_of(self) -> None:
        name = 'a "b" <c@d.e>, f\\g; h:'
        (address,) = composed(to_name=name)["To"].addresses
        assert (address.display_name, address.addr_spec) == (name, "ada@example.com")

    @pytest.mark.parametrize("header", ["to_name", "subject", "to"])
    @pytest.mark.parametrize("evil", ["\r\nBcc: eve@example.com", "\nX: y", "\r", "\0", "\x85"])
    def test_nobody_adds_one(self, header: str, evil: str) -> None:
        with pytest.raises(MailRefused):
            COMPOSE(mail(**{header: f"ada{evil}@example.com"}))


class TestParts:
    def test_text_and_html_say_it_to_the_letter(self) -> None:
        text, html = composed().iter_parts()
        assert isinstance(text, EmailMessage)
        assert isinstance(html, EmailMessage)
        assert text.get_content_type() == "text/plain"
        assert html.get_content_type() == "text/html"
        assert said(text) == TEXT
        assert said(html) == f"<p>{TEXT}</p>\n"

    def test_every_line_passes_every_server(self) -> None:
        content = COMPOSE(mail()).content
        assert content.isascii()
        assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
        body = content.partition(b"\r\n\r\n")[2]
        assert max(len(line) for line in body.split(b"\r\n")) <= 76

    def test_no_text_ends_its_part(self) -> None:
        evil = "--=_the-other-part--\n--=_the-other-part\nContent-Type: text/html\n\n<b>\n"
        text, _ = composed(text=evil, html=evil).iter_parts()
        assert isinstance(text, EmailMessage)
        assert said(text) == evil


class TestDeliverable:
    def test_a_domain_is_written_in_ascii(self) -> None:
        assert deliverable("ada@bücher.example") == "ada@xn--bcher-kva.example"
        # Not the Germans' "strasse", which is somebody else's.
        assert deliverable("ada@straße.example") == "ada@xn--strae-oqa.example"

    def test_only_a_mailbox_beyond_ascii_needs_smtputf8(self) -> None:
        assert not COMPOSE(mail(to="ada@bücher.example", to_name="Ädä")).needs_smtputf8
        message = COMPOSE(mail(to="ädä@example.com"))
        assert message.needs_smtputf8
        assert message.recipient == "ädä@example.com"
        assert "ädä@example.com".encode() in message.content

    @pytest.mark.parametrize(
        "address",
        ["", "ada", "@example.com", "ada@", "a b@c.d", "<a@b>@c.d", 'a"b@c.d', "ada@-.x", "a@b c"],
    )
    def test_what_is_no_address_is_refused(self, address: str) -> None:
        with pytest.raises(MailRefused):
            deliverable(address)


def test_a_signature_comes_first() -> None:
    composer = Composer(COMPOSE.sender, COMPOSE.now, lambda content: b"Signature: x\r\n")
    content = composer(mail()).content
    assert content == b"Signature: x\r\n" + COMPOSE(mail()).content
    assert message_from_bytes(content, policy=SMTP)["Signature"] == "x"
