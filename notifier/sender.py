"""Leases due deliveries and sends their mails, as many at once as there are connections."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID  # noqa: TC003

import structlog

from chassis.background import Backoff, running
from chassis.tracing import span
from notifier.delivery_log import DeliveryLog
from notifier.domain import Delivery, Draft, Mail, Outcome, RetryPolicy, State
from notifier.errors import (
    AddressRefused,
    ContentUnavailable,
    MailDeferred,
    MailMustWait,
    MailNotWanted,
    MailRefused,
    MailServerUnavailable,
    UnknownContent,
)
from notifier.outage import Outage
from notifier.ports import Mailer, Repositories, UnitOfWork, Write

_PER_CONNECTION = 8
"""In-flight deliveries per connection. Under load one transaction leases or saves several, and
connections need not wait for the database."""
_FRESH = timedelta(seconds=1)
"""The age at which a draft is read again before it is sent."""
_MIN_WAIT = 0.02
"""Minimum wait in seconds. Rows that another process is leasing look due: do not poll at once."""

_log = structlog.get_logger("notifier.sender")


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


class Sender:
    """Sends due deliveries. Any number may run, in any number of processes.

    A leased delivery belongs to one sender until `due_at`. If that process is killed, another
    sender leases the delivery then.

    A mail is sent at least once. It is sent twice, with the same Message-ID, if the server has
    accepted it and that could not be saved. No transaction is open while a mail is sent.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        mailer: Mailer,
        write: Write,
        policy: SendingPolicy,
        *,
        now: Callable[[], datetime],
        chance: Callable[[], float],
        record: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        """`chance` returns a random number in [0, 1); `record` is called with each outcome."""
        self._unit_of_work = unit_of_work
        self._mailer = mailer
        self._write = write
        self._policy = policy
        self._now = now
        self._chance = chance
        self._woken = asyncio.Event()
        self._connections = asyncio.Semaphore(policy.connections)
        self._in_flight: dict[UUID, asyncio.Task[None]] = {}
        self._account_mails_in_flight = 0
        self._log = DeliveryLog(unit_of_work, record)
        self._backoff = Backoff("leasing deliveries")
        pauses = policy.pause, policy.longest_pause
        self._mail_server = Outage("mail server unavailable", *pauses, now)
        self._auth = Outage("auth unavailable for account mails", *pauses, now)

    def wake(self) -> None:
        """Look for due deliveries now."""
        self._woken.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send mails inside the block. In-flight deliveries may finish within `policy.grace`."""
        try:
            async with running(self._run()):
                yield
        finally:
            if self._in_flight:
                grace = self._policy.grace.total_seconds()
                _, late = await asyncio.wait(self._in_flight.values(), timeout=grace)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)

    async def deliver_due(self) -> None:
        """Send all that is due now. Return when no delivery is in flight."""
        while await self._lease() or self._in_flight:
            await asyncio.wait(self._in_flight.values(), return_when=asyncio.FIRST_COMPLETED)

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                wait = await self.lease_due()
            except Exception as error:
                await self._backoff.wait(error)
                continue
            self._backoff.reset()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), wait)

    async def lease_due(self) -> float | None:
        """Lease due deliveries and start to send their mails.

        Returns the seconds until the next call is useful; None to wait for `wake`, which each
        finished delivery calls.
        """
        if self._is_busy:
            return None
        await self._lease()
        if self._is_busy:
            return None
        now = self._now()
        account_mails = self._account_mail_limit > 0
        next_due = await self._unit_of_work.read(
            lambda r: r.deliveries.next_due(account_mails=account_mails)
        )
        times = [now + self._policy.poll]
        if next_due:
            times.append(max(next_due, self._mail_server.until or now))
        if self._auth.pauses and self._auth.until:
            times.append(self._auth.until)
        return max(_MIN_WAIT, (min(times) - now).total_seconds())

    @property
    def _account_mail_limit(self) -> int:
        """How many mails about accounts may be leased: none, or one alone, while auth is away."""
        if self._auth.is_over:
            return self._room
        return 0 if self._auth.pauses or self._account_mails_in_flight else 1

    @property
    def _room(self) -> int:
        return _PER_CONNECTION * self._policy.connections - len(self._in_flight)

    @property
    def _is_busy(self) -> bool:
        """Whether to lease nothing until a delivery is finished.

        At least half of the places must be free: leasing many costs no more than leasing one.
        After an outage of the mail server, one mail is tried alone.
        """
        half = _PER_CONNECTION * self._policy.connections // 2
        return self._room < half or bool(self._in_flight and not self._mail_server.is_over)

    async def _lease(self) -> int:
        """Lease and start as many due deliveries as there is room for. Return their number."""
        now = self._now()
        if self._is_busy or self._mail_server.pauses:
            return 0
        limit = self._room if self._mail_server.is_over else 1
        account_mails = self._account_mail_limit
        until = now + 3 * self._policy.attempt

        async def work(repositories: Repositories) -> Sequence[Draft]:
            leased = await repositories.deliveries.lease(
                limit, account_mails=account_mails, now=now, until=until
            )
            return await repositories.deliveries.drafts(leased)

        drafts = await self._unit_of_work.transaction(work)
        for draft in drafts:
            delivery = draft.delivery
            # In flight already if this process was suspended until its lease had ended.
            if delivery.id not in self._in_flight:
                self._in_flight[delivery.id] = asyncio.create_task(self._deliver(draft, now))
                self._account_mails_in_flight += delivery.account_mail_id is not None
        return len(drafts)

    async def _deliver(self, draft: Draft, read_at: datetime) -> None:
        delivery = draft.delivery
        try:
            async with self._connections:
                outcome = await self._attempt(draft, read_at)
            if outcome:
                await self._log.save(outcome)
        except Exception:
            # The delivery is leased again when this lease ends.
            _log.exception("delivery not attempted", delivery=str(delivery.id))
        finally:
            del self._in_flight[delivery.id]
            self._account_mails_in_flight -= delivery.account_mail_id is not None
            self.wake()

    async def _attempt(self, draft: Draft, read_at: datetime) -> Outcome | None:
        """Return the outcome of one attempt; None if the delivery is deleted."""
        delivery = draft.delivery
        if delivery.attempts > self._policy.retry.attempts:
            # The processes with the earlier leases ended before they saved an outcome.
            return self._outcome(delivery, State.DEAD, "no attempt had an outcome")
        paused = self._mail_server.pauses or (delivery.account_mail_id and self._auth.pauses)
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
                outcome = await self._hand_over(await self._write(draft), delivery)
        except MailNotWanted as unwanted:
            outcome = self._outcome(delivery, State.CANCELLED, str(unwanted))
        except MailMustWait as early:
            outcome = self._outcome(delivery, State.WAITING, str(early), counts=False)
        except ContentUnavailable as unavailable:
            wait = self._auth.failed(str(unavailable))
            return self._not_attempted(delivery, str(unavailable), wait)
        except UnknownContent as unknown:
            wait = self._policy.longest_pause
            outcome = self._not_attempted(delivery, str(unknown), wait)
        except TimeoutError:
            outcome = self._failure(delivery, "the attempt took too long")
        except Exception as error:
            _log.exception("mail failed", delivery=str(delivery.id))
            outcome = self._failure(delivery, type(error).__name__)
        if delivery.account_mail_id:
            self._auth.succeeded()
        return outcome

    async def _hand_over(self, mail: Mail, delivery: Delivery) -> Outcome:
        """Return the outcome of sending a written mail."""
        try:
            await self._mailer.send(mail)
        except MailServerUnavailable as unavailable:
            wait = self._mail_server.failed(str(unavailable))
            return self._not_attempted(delivery, str(unavailable), wait)
        except AddressRefused as refused:
            # A proof of the address releases mails that wait; the code in an old mail about an
            # account has expired by then.
            state = State.CANCELLED if delivery.account_mail_id else State.WAITING
            outcome = self._outcome(delivery, state, str(refused), counts=False)
            outcome = replace(outcome, refused_address=mail.to)
        except MailRefused as refused:
            outcome = self._outcome(delivery, State.DEAD, str(refused))
        except MailDeferred as deferred:
            outcome = self._failure(delivery, str(deferred))
        else:
            outcome = self._outcome(delivery, State.SENT)
        self._mail_server.succeeded()
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
