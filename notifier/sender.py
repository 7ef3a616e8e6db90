"""Takes what is due and has it sent, as many mails at a time as there are connections."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID  # noqa: TC003

import structlog

from chassis.background import Backoff, running
from chassis.tracing import span
from notifier.delivery_log import OutcomeRecorder
from notifier.domain import Delivery, Draft, Outcome, RetryPolicy, State
from notifier.errors import MailDeferred, MailRefused, MailServerUnavailable
from notifier.ports import Mailer, Repositories, UnitOfWork, Write

_AHEAD = 8
"""How many deliveries are under way for each connection: that many are taken and recorded in one
transaction when there is much to do, and no connection waits for the disk of the database."""
_GRACE = 10.0
"""Seconds for which what is under way may go on when the process is told to end."""
_FRESH = timedelta(seconds=1)
_LEAST_WAIT = 0.02
"""Seconds. What is due and cannot be taken is in somebody else's hands for a moment."""

_log = structlog.get_logger("notifier.sender")


@dataclass(frozen=True, slots=True)
class Pace:
    """How much at a time, and how long things may take."""

    retry: RetryPolicy
    connections: int = 4
    attempt: timedelta = timedelta(seconds=60)
    """The longest that one attempt takes. A delivery is taken for three times as long: others may
    have to end first, and one that was killed with its process waits no longer than that."""
    poll: timedelta = timedelta(seconds=5)
    """How long it goes without looking for what another process has left to do."""
    pause: timedelta = timedelta(seconds=1)
    longest_pause: timedelta = timedelta(minutes=1)
    """How long it leaves a server alone that takes no mail: twice as long each time."""


class Sender:
    """Any number may run, in any number of processes: a delivery belongs to whoever takes it.

    It belongs to them until `due_at`, so one that a killed process had taken is sent by another.
    A mail is sent at least once. It is sent twice, under the same Message-ID, when the server took
    it and that could not be recorded. No transaction is open while a server is talked to.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        mailer: Mailer,
        write: Write,
        pace: Pace,
        *,
        now: Callable[[], datetime],
        chance: Callable[[], float],
        count: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        """`chance` gives a number in [0, 1); `count` is told what each attempt came to."""
        self._unit_of_work = unit_of_work
        self._mailer = mailer
        self._write = write
        self._pace = pace
        self._now = now
        self._chance = chance
        self._woken = asyncio.Event()
        self._connections = asyncio.Semaphore(pace.connections)
        self._under_way: dict[UUID, asyncio.Task[None]] = {}
        self._outcomes = OutcomeRecorder(unit_of_work, count)
        self._outage = Backoff("taking deliveries")
        self._pause = timedelta()
        self._paused_until: datetime | None = None

    def wake(self) -> None:
        """Something may have become due."""
        self._woken.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sends while the block runs. What is under way at its end may still end well."""
        try:
            async with running(self._run()):
                yield
        finally:
            if self._under_way:
                _, late = await asyncio.wait(self._under_way.values(), timeout=_GRACE)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)

    async def deliver_due(self) -> None:
        """Sends what is due now, and returns when nothing is under way."""
        while await self._take() or self._under_way:
            await asyncio.wait(self._under_way.values(), return_when=asyncio.FIRST_COMPLETED)

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                wait = await self._wait_after_taking()
            except Exception as error:
                await self._outage.wait(error)
                continue
            self._outage.reset()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), wait)

    async def _wait_after_taking(self) -> float | None:
        """Takes what it can and gives the seconds for which there will be nothing else to take."""
        if self._busy:
            return None
        await self._take()
        if self._busy:
            return None
        next_due = await self._unit_of_work.read(lambda r: r.deliveries.next_due())
        earliest = max(
            next_due or datetime.max.replace(tzinfo=self._now().tzinfo),
            self._paused_until or self._now(),
        )
        wait = min(earliest - self._now(), self._pace.poll)
        return max(_LEAST_WAIT, wait.total_seconds())

    @property
    def _is_paused(self) -> bool:
        return self._paused_until is not None and self._now() < self._paused_until

    @property
    def _busy(self) -> bool:
        """Whether to take nothing until something is done.

        Until there is room for several, for that costs no more than one; and a server that has
        just been away is tried with one mail.
        """
        few = _AHEAD * self._pace.connections // 2
        return self._room < few or bool(self._pause and self._under_way)

    @property
    def _room(self) -> int:
        return _AHEAD * self._pace.connections - len(self._under_way)

    async def _take(self) -> int:
        now = self._now()
        if self._busy or self._is_paused:
            return 0
        limit = 1 if self._pause else self._room
        until = now + 3 * self._pace.attempt

        async def work(repositories: Repositories) -> Sequence[Draft]:
            taken = await repositories.deliveries.take(limit, now=now, until=until)
            return await repositories.deliveries.drafts([delivery.id for delivery in taken])

        drafts = await self._unit_of_work.transaction(work)
        for draft in drafts:
            delivery = draft.delivery
            # It is there when we were suspended for so long that our right to it ended.
            if delivery.id not in self._under_way:
                self._under_way[delivery.id] = asyncio.create_task(self._deliver(draft, now))
        return len(drafts)

    async def _deliver(self, draft: Draft, read_at: datetime) -> None:
        delivery = draft.delivery
        try:
            async with self._connections:
                outcome = await self._attempt(draft, read_at)
            if outcome:
                await self._outcomes.record(outcome)
        except Exception:
            # It is taken again when our right to it ends.
            _log.exception("a delivery was left as it was", delivery=str(delivery.id))
        finally:
            del self._under_way[delivery.id]
            self.wake()

    async def _attempt(self, draft: Draft, read_at: datetime) -> Outcome | None:
        delivery = draft.delivery
        if delivery.attempts > self._pace.retry.attempts:
            # Whoever took it last did not live to say so.
            return self._outcome(delivery, State.DEAD, "given up")
        if self._now() + self._pace.attempt > delivery.due_at or self._is_paused:
            # Too long ago that we took it, or the server went away: as if we had not.
            return self._outcome(delivery, State.FAILED, "not tried", counts=False)
        if self._now() - read_at > _FRESH:
            # What people want now is what counts, not what they wanted when we took it.
            drafts = await self._unit_of_work.read(lambda r: r.deliveries.drafts([delivery.id]))
            if not drafts:
                return None
            draft = drafts[0]
        if draft.obsolete:
            return self._outcome(delivery, State.CANCELLED, draft.obsolete)
        with span("send mail", "client", parent=delivery.traceparent) as sending:
            outcome = await self._send(draft)
            if outcome.state is not State.SENT:
                sending.fail(outcome.state)
        return outcome

    async def _send(self, draft: Draft) -> Outcome:
        delivery = draft.delivery
        try:
            async with asyncio.timeout(self._pace.attempt.total_seconds()):
                await self._mailer.send(self._write(draft))
        except MailServerUnavailable as unavailable:
            return self._server_unavailable(delivery, str(unavailable))
        except MailRefused as refused:
            outcome = self._outcome(delivery, State.DEAD, str(refused))
        except (MailDeferred, TimeoutError) as deferred:
            outcome = self._failure(delivery, str(deferred) or "it took too long")
        except Exception as error:
            _log.exception("a mail could not be sent", delivery=str(delivery.id))
            outcome = self._failure(delivery, type(error).__name__)
        else:
            outcome = self._outcome(delivery, State.SENT)
        self._pause = timedelta()
        return outcome

    def _failure(self, delivery: Delivery, reason: str) -> Outcome:
        if delivery.attempts >= self._pace.retry.attempts:
            return self._outcome(delivery, State.DEAD, reason)
        wait = self._pace.retry.delay(delivery.attempts, self._chance())
        return self._outcome(delivery, State.FAILED, reason, wait=wait)

    def _server_unavailable(self, delivery: Delivery, reason: str) -> Outcome:
        """It costs the mail none of its attempts; but no other is tried for a while."""
        now = self._now()
        if not self._paused_until or self._paused_until <= now:
            self._pause = min(max(2 * self._pause, self._pace.pause), self._pace.longest_pause)
            self._paused_until = now + self._pause
            _log.warning("no mail can be sent", reason=reason, pause=self._pause.total_seconds())
        wait = self._paused_until - now
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
        return Outcome(delivery.id, delivery.attempts, state, now, now + wait, counts, error)
