"""Hands mails to an SMTP server over a few connections that are kept and used again."""

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
from aiosmtplib import SMTPStatus
from aiosmtplib.errors import (
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from notifier.domain import Mail
from notifier.errors import MailDeferred, MailRefused, MailServerUnavailable
from notifier.mime import Message

_CLOSING = 421
_NOT_FOR_US = {_CLOSING, 530, 535, 538}
"""Refusals that mean us and not the recipient, at whatever command they come: the server closes
(421) or wants an authentication that we have not given."""

_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")  # RFC 3463

_log = structlog.get_logger("notifier.mailer")


class Security(StrEnum):
    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed over. Times are in seconds; `timeout` is for each command."""

    host: str
    port: int
    security: Security
    username: str = ""
    password: str = field(default="", repr=False)
    timeout: float = 20.0
    connections: int = 4
    idle: float = 20.0
    """How long a connection may be idle before it is closed rather than used again."""


class _Stale(Exception):  # noqa: N818
    """A kept connection was gone before the server could have accepted anything."""


class SmtpMailer:
    def __init__(
        self,
        server: SmtpServer,
        compose: Callable[[Mail], Message],
        *,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        """`tls_context` None means the certificate authorities of the system."""
        self._server = server
        self._compose = compose
        self._tls_context = tls_context
        self._slots = asyncio.Semaphore(server.connections)
        self._kept: list[tuple[aiosmtplib.SMTP, float]] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Keeps connections until the block ends."""
        try:
            yield
        finally:
            for connection, _ in self._kept:
                await _leave(connection)
            self._kept.clear()

    async def send(self, mail: Mail) -> None:
        """Raises MailRefused, MailDeferred or MailServerUnavailable."""
        message = self._compose(mail)
        async with self._slots:
            kept = self._reusable()
            if kept:
                try:
                    await self._send_over(kept, message, kept=True)
                except _Stale:
                    _log.info("a kept connection was gone")
                else:
                    return
            await self._send_over(await self._connect(), message)

    def _reusable(self) -> aiosmtplib.SMTP | None:
        while self._kept:
            connection, since = self._kept.pop()
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
        self, connection: aiosmtplib.SMTP, message: Message, *, kept: bool = False
    ) -> None:
        try:
            await _transact(connection, message, kept=kept)
        except (MailRefused, MailDeferred) as refused:
            # The conversation goes on if the server has answered and is willing.
            if isinstance(refused.__cause__, SMTPResponseException) and connection.is_connected:
                try:
                    await connection.rset()
                except (SMTPException, OSError):
                    connection.close()
                else:
                    self._keep(connection)
            else:
                connection.close()
            raise
        except BaseException:
            connection.close()
            raise
        self._keep(connection)

    def _keep(self, connection: aiosmtplib.SMTP) -> None:
        self._kept.append((connection, monotonic()))


async def _transact(connection: aiosmtplib.SMTP, message: Message, *, kept: bool) -> None:
    """One mail, command by command, since it matters how far we came."""
    options = []
    if message.needs_smtputf8:
        if not connection.supports_extension("smtputf8"):
            raise MailRefused("the server takes no internationalised address")
        options = [b"SMTPUTF8", b"BODY=8BITMIME"]
    step = "MAIL"
    try:
        await _command(connection, b"MAIL", f"FROM:<{message.sender}>".encode(), *options)
        step = "RCPT"
        await _command(connection, b"RCPT", f"TO:<{message.recipient}>".encode())
        step = "DATA"
        await connection.data(message.content)
    except SMTPResponseException as error:
        if kept and error.code == _CLOSING and step != "DATA":
            raise _Stale from error
        if step == "MAIL" or error.code in _NOT_FOR_US - {_CLOSING}:
            # The server has not heard yet who the mail is for.
            raise MailServerUnavailable(_reason(step, error)) from error
        kind = MailRefused if 500 <= error.code < 600 else MailDeferred
        raise kind(_reason(step, error)) from error
    except (SMTPException, OSError) as error:
        if kept and isinstance(error, SMTPServerDisconnected) and step != "DATA":
            raise _Stale from error
        # Lost after DATA, the mail may have been accepted: only the Message-ID can tell.
        unheard = MailServerUnavailable if step == "MAIL" else MailDeferred
        raise unheard(_reason(step, error)) from error


async def _command(connection: aiosmtplib.SMTP, *words: bytes) -> None:
    # aiosmtplib's own `mail` and `rcpt` parse addresses that the composer has made sure of, which
    # takes half as long again as to send the mail.
    response = await connection.execute_command(*words)
    if response.code not in {SMTPStatus.completed, SMTPStatus.will_forward}:
        raise SMTPResponseException(response.code, response.message)


def _reason(step: str, error: BaseException) -> str:
    """What went wrong, without the server's words but for the status: they quote addresses."""
    if isinstance(error, SMTPResponseException):
        status = _STATUS.match(error.message)
        return f"{step}: {error.code}" + (f" {status[0]}" if status else "")
    return f"{step}: {type(error).__name__}"


async def _leave(connection: aiosmtplib.SMTP) -> None:
    try:
        await connection.quit(timeout=1)
    except (SMTPException, OSError):
        connection.close()
