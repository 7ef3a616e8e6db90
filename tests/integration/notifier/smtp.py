"""A real SMTP server that accepts every mail, except for planned answers."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from enum import Enum, auto
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from stack.ports import free_ports


class Fault(Enum):
    """What the server does instead of answering."""

    HANGS = auto()
    DROPS = auto()
    ACCEPTS_AND_DROPS = auto()


class SmtpSink:
    """Runs in its own thread. `plan` sets the answers to the next commands of a name."""

    def __init__(self, **options: Any) -> None:
        self.mails: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.envelopes: list[Envelope] = []
        self.connections = 0
        self.commands: list[str] = []
        self._plans: dict[str, deque[str | Fault]] = defaultdict(deque)
        self._options = {"enable_SMTPUTF8": False} | options
        self.port = free_ports(1)[0]

    def plan(self, command: str, *answers: str | Fault) -> None:
        self._plans[command].extend(answers)

    @contextmanager
    def running(self) -> Iterator["SmtpSink"]:
        controller = _Controller(
            self, hostname="127.0.0.1", port=self.port, server_hostname="sink", **self._options
        )
        controller.start()
        self.connections = 0  # the controller has connected once
        try:
            yield self
        finally:
            controller.stop()

    # -- aiosmtpd's hooks ------------------------------------------------------------------------

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return await self._answer("MAIL", server) or "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return await self._answer("RCPT", server) or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = await self._answer("DATA", server, envelope)
        if answer is None:
            self._accept(envelope)
        return answer or "250 OK"

    def _accept(self, envelope: Envelope) -> None:
        content = envelope.original_content
        assert content is not None
        self.envelopes.append(envelope)
        self.raw.append(content)
        mail = message_from_bytes(content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)

    async def _answer(
        self, command: str, server: SMTP, envelope: Envelope | None = None
    ) -> str | None:
        self.commands.append(command)
        plan = self._plans[command].popleft() if self._plans[command] else None
        if plan is Fault.HANGS:
            await asyncio.Event().wait()
        if plan is Fault.ACCEPTS_AND_DROPS:
            assert envelope
            self._accept(envelope)
        if isinstance(plan, Fault):
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            return "250 OK"
        if plan and plan.startswith("421"):
            assert server.transport
            asyncio.get_running_loop().call_later(0.02, server.transport.close)
        return plan


class _Controller(Controller):
    def factory(self) -> SMTP:
        sink: SmtpSink = self.handler
        sink.connections += 1
        smtp: SMTP = super().factory()  # type: ignore[no-untyped-call]
        return smtp
