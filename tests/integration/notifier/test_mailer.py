"""SmtpMailer against a real SMTP server."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from notifier.domain import Mail
from notifier.errors import AddressRefused, MailDeferred, MailRefused, MailServerUnavailable
from notifier.mailer import Security, SmtpMailer, SmtpServer
from notifier.mime import MimeComposer
from tests.integration.notifier.smtp import Fault, SmtpSink

COMPOSE = MimeComposer(Address("Chirp", addr_spec="n@chirp.example"), lambda: datetime.now(UTC))
MAIL = Mail(
    message_id="<1@chirp.example>",
    to="ada@example.com",
    to_name="ada",
    subject="Hello",
    text="Hello\n",
    html="<p>Hello</p>\n",
    unsubscribe_url="https://chirp.example/u",
)


def server(sink: SmtpSink, **options: Any) -> SmtpServer:
    return replace(SmtpServer("127.0.0.1", sink.port, Security.NONE, timeout=5.0), **options)


@asynccontextmanager
async def opened(
    server: SmtpServer, tls_context: ssl.SSLContext | None = None
) -> AsyncIterator[SmtpMailer]:
    mailer = SmtpMailer(server, COMPOSE, tls_context=tls_context)
    async with mailer.open():
        yield mailer


@pytest.fixture
async def mailer(sink: SmtpSink) -> AsyncIterator[SmtpMailer]:
    async with opened(server(sink)) as mailer:
        yield mailer


class TestSend:
    async def test_server_accepts_the_mail(self, mailer: SmtpMailer, sink: SmtpSink) -> None:
        await mailer.send(MAIL)
        (mail,), (envelope,) = sink.mails, sink.envelopes
        assert (envelope.mail_from, envelope.rcpt_tos) == ("n@chirp.example", ["ada@example.com"])
        assert mail["Message-ID"] == "<1@chirp.example>"

    async def test_lines_with_dots_are_preserved(self, mailer: SmtpMailer, sink: SmtpSink) -> None:
        text = "a\n.\n..b\n.c\n"
        await mailer.send(replace(MAIL, text=text))
        part = sink.mails[0].get_body(("plain",))
        assert part
        assert part.get_content().replace("\r\n", "\n") == text

    async def test_connection_is_reused(self, mailer: SmtpMailer, sink: SmtpSink) -> None:
        for _ in range(10):
            await mailer.send(MAIL)
        assert (len(sink.mails), sink.connections) == (10, 1)

    async def test_number_of_connections_is_limited(self, sink: SmtpSink) -> None:
        async with opened(server(sink, connections=3)) as mailer:
            await asyncio.gather(*(mailer.send(MAIL) for _ in range(30)))
        assert len(sink.mails) == 30
        assert sink.connections <= 3

    async def test_idle_connection_is_not_reused_after_the_limit(self, sink: SmtpSink) -> None:
        async with opened(server(sink, idle=0.0)) as mailer:
            for _ in range(3):
                await mailer.send(MAIL)
        assert sink.connections == 3


class TestRefused:
    @pytest.mark.parametrize(
        ("command", "answer", "refusal"),
        [
            ("RCPT", "550 5.1.1 <ada@example.com>: no such user", AddressRefused),
            ("RCPT", "553 <ada@example.com>: no such user", AddressRefused),
            ("RCPT", "554 5.7.1 <ada@example.com>: relay access denied", MailRefused),
            ("DATA", "550 5.1.1 <ada@example.com>: no such user", MailRefused),
        ],
    )
    async def test_5xx_refuses_the_address_or_the_mail(
        self,
        mailer: SmtpMailer,
        sink: SmtpSink,
        command: str,
        answer: str,
        refusal: type[Exception],
    ) -> None:
        sink.plan(command, answer)
        with pytest.raises(refusal) as refused:
            await mailer.send(MAIL)
        assert str(refused.value) == f"{command}: {answer.partition(' <')[0]}"
        await mailer.send(MAIL)
        assert (len(sink.mails), sink.connections) == (1, 1)

    async def test_internationalised_mailbox_needs_smtputf8(self, mailer: SmtpMailer) -> None:
        with SmtpSink(enable_SMTPUTF8=True).running() as modern:
            async with opened(server(modern)) as other:
                await other.send(replace(MAIL, to="ädä@example.com"))
            assert modern.envelopes[0].rcpt_tos == ["ädä@example.com"]
            assert "SMTPUTF8" in modern.envelopes[0].mail_options
            assert modern.mails[0]["To"] == "ada <ädä@example.com>"
        with pytest.raises(AddressRefused, match="internationalised"):
            await mailer.send(replace(MAIL, to="ädä@example.com"))
        await mailer.send(replace(MAIL, to="ada@bücher.example"))


class TestDeferred:
    @pytest.mark.parametrize("command", ["RCPT", "DATA"])
    async def test_4xx_defers_the_mail(
        self, mailer: SmtpMailer, sink: SmtpSink, command: str
    ) -> None:
        sink.plan(command, "451 4.3.0 Try again later")
        with pytest.raises(MailDeferred, match=f"^{command}: 451 4.3.0$"):
            await mailer.send(MAIL)
        await mailer.send(MAIL)
        assert len(sink.mails) == 1

    async def test_connection_lost_after_data_is_not_retried_at_once(
        self, mailer: SmtpMailer, sink: SmtpSink
    ) -> None:
        """The mail may have been accepted, so the same attempt must not send it again."""
        await mailer.send(MAIL)
        for fault, accepted in ((Fault.DROPS, 1), (Fault.ACCEPTS_AND_DROPS, 2)):
            sink.plan("DATA", fault)
            with pytest.raises(MailDeferred, match=r"^DATA: SMTPServerDisconnected$"):
                await mailer.send(MAIL)
            assert len(sink.mails) == accepted
        await mailer.send(MAIL)

    async def test_silent_server_defers_the_mail(self, sink: SmtpSink) -> None:
        sink.plan("DATA", Fault.HANGS)
        async with opened(server(sink, timeout=0.2)) as mailer:
            with pytest.raises(MailDeferred, match=r"^DATA: SMTPReadTimeoutError$"):
                await mailer.send(MAIL)
            await mailer.send(MAIL)
        assert len(sink.mails) == 1


class TestServerUnavailable:
    async def test_unreachable_server_is_unavailable(self, sink: SmtpSink) -> None:
        async with opened(replace(server(sink), port=1)) as mailer:
            with pytest.raises(MailServerUnavailable, match=r"^connecting: "):
                await mailer.send(MAIL)

    @pytest.mark.parametrize("answer", ["550 5.7.1 not you", "451 4.3.0 Later", Fault.DROPS])
    async def test_refused_sender_means_the_server_is_unavailable(
        self, mailer: SmtpMailer, sink: SmtpSink, answer: str | Fault
    ) -> None:
        sink.plan("MAIL", answer)
        with pytest.raises(MailServerUnavailable, match=r"^MAIL: "):
            await mailer.send(MAIL)

    async def test_required_authentication_means_the_server_is_unavailable(
        self, mailer: SmtpMailer, sink: SmtpSink
    ) -> None:
        sink.plan("RCPT", "530 5.7.0 Authentication required")
        with pytest.raises(MailServerUnavailable, match=r"^RCPT: 530 5.7.0$"):
            await mailer.send(MAIL)


class TestReusedConnection:
    """Lost before DATA, it is replaced at once: the mail was certainly not accepted."""

    @pytest.mark.parametrize("command", ["MAIL", "RCPT"])
    @pytest.mark.parametrize("answer", [Fault.DROPS, "421 4.4.2 Idle for too long"])
    async def test_lost_connection_is_replaced(
        self, mailer: SmtpMailer, sink: SmtpSink, command: str, answer: str | Fault
    ) -> None:
        await mailer.send(MAIL)
        sink.plan(command, answer)
        await mailer.send(MAIL)
        assert (len(sink.mails), sink.connections) == (2, 2)

    async def test_restarted_server_gets_a_new_connection(self) -> None:
        sink = SmtpSink()
        async with opened(server(sink)) as mailer:
            for _ in range(3):
                with sink.running():
                    await mailer.send(MAIL)
        assert len(sink.mails) == 3

    async def test_connection_is_replaced_once(self, mailer: SmtpMailer, sink: SmtpSink) -> None:
        await mailer.send(MAIL)
        sink.plan("MAIL", "421 4.3.2 Shutting down", "421 4.3.2 Shutting down")
        with pytest.raises(MailServerUnavailable, match=r"^MAIL: 421 4.3.2$"):
            await mailer.send(MAIL)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


def authenticator(
    server: object, session: object, envelope: object, mechanism: str, data: object
) -> AuthResult:
    known = isinstance(data, LoginPassword) and data == LoginPassword(b"chirp", b"hunter2")
    return AuthResult(success=known, handled=known)


@pytest.fixture
def tls_sink(certificate: Path) -> Iterator[SmtpSink]:
    """A server that requires STARTTLS and a password."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    options = {"require_starttls": True, "auth_required": True, "authenticator": authenticator}
    with SmtpSink(tls_context=context, **options).running() as sink:
        yield sink


class TestSecurity:
    async def test_mail_is_sent_encrypted_and_authenticated(
        self, tls_sink: SmtpSink, certificate: Path
    ) -> None:
        known = server(tls_sink, security=Security.STARTTLS, username="chirp", password="hunter2")
        async with opened(known, ssl.create_default_context(cafile=certificate)) as mailer:
            for _ in range(2):
                await mailer.send(MAIL)
        assert (len(tls_sink.mails), tls_sink.connections) == (2, 1)

    async def test_untrusted_certificate_gets_no_mail(self, tls_sink: SmtpSink) -> None:
        known = server(tls_sink, security=Security.STARTTLS, username="chirp", password="hunter2")
        async with opened(known) as mailer:
            with pytest.raises(MailServerUnavailable):
                await mailer.send(MAIL)
        assert tls_sink.mails == []

    async def test_server_without_starttls_gets_no_mail(self, sink: SmtpSink) -> None:
        async with opened(server(sink, security=Security.STARTTLS)) as mailer:
            with pytest.raises(MailServerUnavailable):
                await mailer.send(MAIL)
        assert sink.commands == []

    async def test_wrong_password_means_the_server_is_unavailable(
        self, tls_sink: SmtpSink, certificate: Path
    ) -> None:
        wrong = server(tls_sink, security=Security.STARTTLS, username="chirp", password="wrong")
        async with opened(wrong, ssl.create_default_context(cafile=certificate)) as mailer:
            with pytest.raises(MailServerUnavailable, match="535"):
                await mailer.send(MAIL)
