"""Makes an attempt at a delivery: writes its mail, sends it, and says what the result means."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from chassis.tracing import span
from notifier.domain import Delivery, Draft, Mail, Outcome, RetryPolicy, State
from notifier.errors import (
    AddressRefused,
    ContentFailed,
    ContentUnavailable,
    MailDeferred,
    MailMustWait,
    MailNotWanted,
    MailRefused,
    MailServerUnavailable,
    UnknownContent,
)
from notifier.outage import Outage
from notifier.ports import Mailer, UnitOfWork, Write

_FRESH = timedelta(seconds=1)
"""The age at which a draft is read again before it is sent."""

_log = structlog.get_logger("notifier.attempts")


@dataclass(frozen=True, slots=True)
class SendingPolicy:
    """How many mails are sent at once, and the time limits."""

    retry: RetryPolicy
    connections: int = 4
    attempt: timedelta = timedelta(seconds=60)
    """The limit of one attempt. A lease lasts three times as long, because a leased delivery may
    first wait for a connection. After a kill, its mail waits until the lease ends."""
    poll: timedelta = timedelta(seconds=5)
    """The time after which it looks for deliveries that another process has left."""
    pause: timedelta = timedelta(seconds=1)
    """The first pause after the mail server, or auth, was unavailable; each next one is twice as
    long."""
    longest_pause: timedelta = timedelta(minutes=1)
    grace: timedelta = timedelta(seconds=10)
    """The time for in-flight deliveries to finish when the process stops."""


class Attempts:
    """Any number of attempts may be made at once."""

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        mailer: Mailer,
        write: Write,
        policy: SendingPolicy,
        *,
        now: Callable[[], datetime],
        chance: Callable[[], float],
        auth_is_back: Callable[[], None],
    ) -> None:
        """`chance` returns a random number in [0, 1).

        `auth_is_back` is called at the end of an outage of auth.
        """
        self._unit_of_work = unit_of_work
        self._mailer = mailer
        self._write = write
        self._policy = policy
        self._now = now
        self._chance = chance
        self._auth_is_back = auth_is_back
        pauses = policy.pause, policy.longest_pause
        self.mail_server = Outage("mail server unavailable", *pauses, now)
        self.auth = Outage("auth unavailable for account mails", *pauses, now)

    async def make(self, draft: Draft, read_at: datetime) -> Outcome | None:
        """Return the outcome of one attempt; None if the delivery is deleted."""
        delivery = draft.delivery
        if delivery.attempts > self._policy.retry.attempts:
            # The processes with the earlier leases ended before they saved an outcome.
            return self._outcome(delivery, State.DEAD, "no attempt had an outcome")
        needs_auth = delivery.account_mail_id is not None
        paused = self.mail_server.is_pausing or (needs_auth and self.auth.is_pausing)
        if self._now() + self._policy.attempt > delivery.due_at or paused:
            # The lease is too old, or a server became unavailable: give the lease back.
            return self._not_attempted(delivery, "not attempted", timedelta())
        if self._now() - read_at > _FRESH:
            # Settings may have changed since the lease.
            drafts = await self._unit_of_work.read(lambda r: r.deliveries.drafts([delivery.id]))
            if not drafts:
                return None
            draft = drafts[0]
        with span("send mail", "client", parent=delivery.traceparent) as sending:
            outcome = await self._send(draft)
            if outcome.state in (State.FAILED, State.DEAD):
                sending.fail(outcome.state)
        return outcome

    async def _send(self, draft: Draft) -> Outcome:
        delivery = draft.delivery
        try:
            async with asyncio.timeout(self._policy.attempt.total_seconds()):
                outcome = await self._hand_over(await self._written(draft), delivery)
        except MailNotWanted as unwanted:
            outcome = self._outcome(delivery, State.CANCELLED, str(unwanted))
        except MailMustWait as early:
            outcome = self._outcome(delivery, State.WAITING, str(early), counts=False)
        except ContentUnavailable as unavailable:
            wait = self.auth.failed(str(unavailable))
            outcome = self._not_attempted(delivery, str(unavailable), wait)
        except ContentFailed as failed:
            outcome = self._failure(delivery, str(failed))
        except UnknownContent as unknown:
            wait = self._policy.longest_pause
            outcome = self._not_attempted(delivery, str(unknown), wait)
        except TimeoutError:
            outcome = self._failure(delivery, "the attempt took too long")
        except Exception as error:
            _log.exception("mail failed", delivery=str(delivery.id))
            outcome = self._failure(delivery, type(error).__name__)
        return outcome

    async def _written(self, draft: Draft) -> Mail:
        """Return the mail of a draft. An answer of auth, whatever it says, ends its outage."""
        try:
            mail = await self._write(draft)
        except (MailNotWanted, ContentFailed, UnknownContent):
            self._auth_answered(draft)
            raise
        self._auth_answered(draft)
        return mail

    def _auth_answered(self, draft: Draft) -> None:
        if draft.delivery.account_mail_id and not self.auth.is_over:
            self.auth.succeeded()
            self._auth_is_back()

    async def _hand_over(self, mail: Mail, delivery: Delivery) -> Outcome:
        """Return the outcome of sending a written mail."""
        try:
            await self._mailer.send(mail)
        except MailServerUnavailable as unavailable:
            wait = self.mail_server.failed(str(unavailable))
            return self._not_attempted(delivery, str(unavailable), wait)
        except AddressRefused as refused:
            # A mail about an account does not wait for a verification: its code would have expired.
            state = State.CANCELLED if delivery.account_mail_id else State.WAITING
            outcome = self._outcome(delivery, state, str(refused), counts=False)
            outcome = replace(outcome, refused_address=mail.to)
        except MailRefused as refused:
            outcome = self._outcome(delivery, State.DEAD, str(refused))
        except MailDeferred as deferred:
            outcome = self._failure(delivery, str(deferred))
        else:
            outcome = self._outcome(delivery, State.SENT)
        self.mail_server.succeeded()
        return outcome

    def _failure(self, delivery: Delivery, reason: str) -> Outcome:
        if delivery.attempts >= self._policy.retry.attempts:
            return self._outcome(delivery, State.DEAD, reason)
        wait = self._policy.retry.delay(delivery.attempts, self._chance())
        return self._outcome(delivery, State.FAILED, reason, wait=wait)

    def _not_attempted(self, delivery: Delivery, reason: str, wait: timedelta) -> Outcome:
        """Return the outcome of an attempt that does not count."""
        return self._outcome(delivery, State.FAILED, reason, wait=wait, counts=False)

    def _outcome(
        self,
        delivery: Delivery,
        state: State,
        error: str | None = None,
        *,
        wait: timedelta = timedelta(),
        counts: bool = True,
    ) -> Outcome:
        now = self._now()
        return Outcome(
            delivery_id=delivery.id,
            attempt=delivery.attempts,
            state=state,
            at=now,
            due_at=now + wait,
            counts=counts,
            error=error,
            recipient_id=delivery.recipient_id,
        )
