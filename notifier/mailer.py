"""Sends mails to an SMTP server over a pool of connections."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from time import monotonic

import aiosmtplib
import structlog
from aiosmtplib.errors import (
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from notifier.domain import Mail
from notifier.errors import AddressRefused, MailDeferred, MailRefused, MailServerUnavailable
from notifier.mime import MimeMessage

_CLOSING = 421
_AUTHENTICATION_REQUIRED = {530, 535, 538}
"""Refusals that concern our credentials and not the recipient, in reply to any command."""

_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")  # RFC 3463

_log = structlog.get_logger("notifier.mailer")


class Security(StrEnum):
    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """The address and credentials of the server. `timeout` is in seconds, for each command."""

    host: str
    port: int
    security: Security
    username: str = ""
    password: str = field(default="", repr=False)
    timeout: float = 20.0
    connections: int = 4
    idle: float = 20.0
    """Seconds after which an idle connection is closed and not reused."""


class _ConnectionLost(Exception):
    """A reused connection broke before the server could accept the mail."""


class SmtpMailer:
    def __init__(
        self,
        server: SmtpServer,
        compose: Callable[[Mail], MimeMessage],
        *,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        """`tls_context` None trusts the certificate authorities of the system."""
        self._server = server
        self._compose = compose
        self._tls_context = tls_context
        self._slots = asyncio.Semaphore(server.connections)
        self._pool: list[tuple[aiosmtplib.SMTP, float]] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Close the idle connections at the end of the block."""
        try:
            yield
        finally:
            for connection, _ in self._pool:
                await _quit(connection)
            self._pool.clear()

    async def send(self, mail: Mail) -> None:
        """Raises AddressRefused, MailRefused, MailDeferred or MailServerUnavailable."""
        message = self._compose(mail)
        async with self._slots:
            if idle := self._reusable():
                try:
                    await self._send_over(idle, message, reused=True)
                except _ConnectionLost:
                    _log.info("idle SMTP connection lost")
                else:
                    return
            await self._send_over(await self._connect(), message)

    def _reusable(self) -> aiosmtplib.SMTP | None:
        while self._pool:
            connection, since = self._pool.pop()
            if connection.is_connected and monotonic() - since < self._server.idle:
                return connection
            connection.close()
        return None

    async def _connect(self) -> aiosmtplib.SMTP:
        server = self._server
        connection = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.security is Security.TLS,
            start_tls=server.security is Security.STARTTLS,
            username=server.username or None,
            password=server.password or None,
            timeout=server.timeout,
            tls_context=self._tls_context,
        )
        try:
            await connection.connect()
            if connection.is_ehlo_or_helo_needed:
                await connection.ehlo()
        except BaseException as error:
            connection.close()
            if isinstance(error, (SMTPException, OSError)):
                raise MailServerUnavailable(_reason("connecting", error)) from error
            raise
        return connection

    async def _send_over(
        self, connection: aiosmtplib.SMTP, message: MimeMessage, *, reused: bool = False
    ) -> None:
        try:
            await _transact(connection, message, reused=reused)
        except (AddressRefused, MailRefused, MailDeferred) as refused:
            # After an answer of the server the connection can carry the next mail.
            if isinstance(refused.__cause__, SMTPResponseException) and connection.is_connected:
                try:
                    await connection.rset()
                except (SMTPException, OSError):
                    connection.close()
                else:
                    self._release(connection)
            else:
                connection.close()
            raise
        except BaseException:
            connection.close()
            raise
        self._release(connection)

    def _release(self, connection: aiosmtplib.SMTP) -> None:
        self._pool.append((connection, monotonic()))


async def _transact(connection: aiosmtplib.SMTP, message: MimeMessage, *, reused: bool) -> None:
    """Send one mail, command by command: the command that fails decides what a failure means."""
    options = []
    if message.needs_smtputf8:
        if not connection.supports_extension("smtputf8"):
            raise AddressRefused("the server does not support internationalised addresses")
        options = ["SMTPUTF8", "BODY=8BITMIME"]
    step = "MAIL"
    try:
        await connection.mail(message.sender, options=options, encoding="utf-8")
        step = "RCPT"
        await connection.rcpt(message.recipient, encoding="utf-8")
        step = "DATA"
        await connection.data(message.content)
    except SMTPResponseException as error:
        if reused and error.code == _CLOSING and step != "DATA":
            raise _ConnectionLost from error
        if step == "MAIL" or error.code in _AUTHENTICATION_REQUIRED:
            # MAIL does not name the recipient, so its refusal does not concern them.
            raise MailServerUnavailable(_reason(step, error)) from error
        raise _refusal(step, error)(_reason(step, error)) from error
    except (SMTPException, OSError) as error:
        if reused and isinstance(error, SMTPServerDisconnected) and step != "DATA":
            raise _ConnectionLost from error
        # Without an answer to DATA the mail may have been accepted; a retry has its Message-ID.
        unanswered = MailServerUnavailable if step == "MAIL" else MailDeferred
        raise unanswered(_reason(step, error)) from error


def _refusal(step: str, error: SMTPResponseException) -> type[Exception]:
    """Return what an answer to RCPT or DATA means."""
    if not 500 <= error.code < 600:
        return MailDeferred
    # RFC 3463: x.7 is a policy, like a relay that does not know us, and not about the address.
    status = _STATUS.match(error.message)
    is_policy = status is not None and status[0].split(".")[1] == "7"
    return AddressRefused if step == "RCPT" and not is_policy else MailRefused


def _reason(step: str, error: BaseException) -> str:
    """Return the command and the status. The server's text is left out: it quotes addresses."""
    if isinstance(error, SMTPResponseException):
        status = _STATUS.match(error.message)
        return f"{step}: {error.code}" + (f" {status[0]}" if status else "")
    return f"{step}: {type(error).__name__}"


async def _quit(connection: aiosmtplib.SMTP) -> None:
    try:
        await connection.quit(timeout=1)
    except (SMTPException, OSError):
        connection.close()
