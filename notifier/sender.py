"""Leases due deliveries and sends their mails, as many at once as there are connections."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from uuid import UUID  # noqa: TC003

import structlog

from chassis.background import Backoff, running
from notifier.attempts import Attempts, SendingPolicy
from notifier.delivery_log import DeliveryLog
from notifier.domain import Draft, Outcome
from notifier.ports import Mailer, Repositories, UnitOfWork, Write

_PER_CONNECTION = 8
"""In-flight deliveries per connection. Under load one transaction leases or saves several, and
connections need not wait for the database."""
_MIN_WAIT = 0.02
"""Minimum wait in seconds. Rows that another process is leasing look due: do not poll at once."""

_log = structlog.get_logger("notifier.sender")


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
        self._policy = policy
        self._now = now
        self._attempts = Attempts(
            unit_of_work, mailer, write, policy, now=now, chance=chance, auth_is_back=self.wake
        )
        self._woken = asyncio.Event()
        self._connections = asyncio.Semaphore(policy.connections)
        self._in_flight: dict[UUID, asyncio.Task[None]] = {}
        self._account_mails_in_flight = 0
        self._log = DeliveryLog(unit_of_work, record)
        self._backoff = Backoff("leasing deliveries")

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
            times.append(max(next_due, self._attempts.mail_server.until or now))
        if self._attempts.auth.is_pausing and self._attempts.auth.until:
            times.append(self._attempts.auth.until)
        return max(_MIN_WAIT, (min(times) - now).total_seconds())

    @property
    def _account_mail_limit(self) -> int:
        """How many mails about accounts may be leased now.

        While auth is unavailable: none in a pause, and after it one alone.
        """
        if self._attempts.auth.is_pausing:
            return 0
        if self._attempts.auth.is_over:
            return self._room
        return 0 if self._account_mails_in_flight else 1

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
        return self._room < half or bool(self._in_flight and not self._attempts.mail_server.is_over)

    async def _lease(self) -> int:
        """Lease and start as many due deliveries as there is room for. Return their number."""
        now = self._now()
        if self._is_busy or self._attempts.mail_server.is_pausing:
            return 0
        limit = self._room if self._attempts.mail_server.is_over else 1
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
                outcome = await self._attempts.make(draft, read_at)
            if outcome:
                await self._log.save(outcome)
        except Exception:
            # The delivery is leased again when this lease ends.
            _log.exception("delivery not attempted", delivery=str(delivery.id))
        finally:
            del self._in_flight[delivery.id]
            self._account_mails_in_flight -= delivery.account_mail_id is not None
            self.wake()
