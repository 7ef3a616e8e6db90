"""Background work ends with its block, and a crash of it ends the block."""

import asyncio

import pytest
from structlog.testing import capture_logs

from chassis.background import Backoff, running


class CrashError(Exception):
    pass


async def forever() -> None:
    await asyncio.Event().wait()


async def crash() -> None:
    raise CrashError


class TestRunning:
    async def test_work_runs_while_the_block_runs(self) -> None:
        started, ended = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            started.set()
            try:
                await forever()
            finally:
                ended.set()

        async with running(work()):
            await started.wait()
            assert not ended.is_set()
        assert ended.is_set()

    async def test_lost_cancellation_is_repeated(self) -> None:
        lost = 0

        async def work() -> None:
            nonlocal lost
            while lost < 3:
                try:
                    await forever()
                except asyncio.CancelledError:
                    lost += 1

        async with running(work()):
            await asyncio.sleep(0)
        assert lost == 3

    async def test_second_cancellation_of_the_block_still_waits_for_the_work(self) -> None:
        """The second cancellation arrives while the first one's clean-up waits."""
        waiting, let_go, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def work() -> None:
            while not let_go.is_set():
                try:
                    await forever()
                except asyncio.CancelledError:
                    waiting.set()
            ended.set()

        async def block() -> None:
            async with running(work()):
                await forever()

        task = asyncio.create_task(block())
        await asyncio.sleep(0)
        task.cancel()
        await waiting.wait()
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    async def test_work_may_return_before_the_block_ends(self) -> None:
        async with running(asyncio.sleep(0)):
            for _ in range(3):
                await asyncio.sleep(0)

    async def test_exception_of_the_block_is_raised_unchanged(self) -> None:
        error, cause = LookupError(), ValueError()
        with pytest.raises(LookupError) as raised:
            async with running(forever()):
                raise error from cause
        assert raised.value is error
        assert raised.value.__cause__ is cause
        assert raised.value.__context__ is None


class TestCrash:
    async def test_crash_cancels_the_block_and_is_raised_and_logged_once(self) -> None:
        with capture_logs() as log, pytest.raises(CrashError):
            async with running(crash()):
                await forever()
        assert [(line["event"], line["work"]) for line in log] == [
            ("background work crashed", "crash")
        ]

    async def test_crash_passes_unwrapped_through_surrounding_work(self) -> None:
        with pytest.raises(CrashError):
            async with running(forever()), running(crash(), forever()):
                await forever()

    async def test_crash_repeats_a_lost_cancellation_of_its_siblings(self) -> None:
        lost = 0

        async def deaf() -> None:
            nonlocal lost
            while lost < 3:
                try:
                    await forever()
                except asyncio.CancelledError:
                    lost += 1

        async def late_crash() -> None:
            await asyncio.sleep(0)
            raise CrashError

        with pytest.raises(CrashError):
            async with running(deaf(), late_crash()):
                await forever()
        assert lost == 3

    async def test_crash_while_the_work_is_cancelled_is_raised(self) -> None:
        async def work() -> None:
            try:
                await forever()
            finally:
                raise CrashError

        with capture_logs() as log, pytest.raises(CrashError):
            async with running(work()):
                await asyncio.sleep(0)
        assert [line["event"] for line in log] == ["background work crashed"]

    async def test_crash_and_an_exception_of_the_block_are_both_raised(self) -> None:
        async def block() -> None:
            async with running(crash()):
                try:
                    await forever()
                finally:
                    raise LookupError

        with pytest.raises(ExceptionGroup) as raised:
            await block()
        assert {type(error) for error in raised.value.exceptions} == {CrashError, LookupError}


class TestBackoff:
    async def test_outage_is_logged_at_its_start_and_at_its_end(self) -> None:
        backoff = Backoff("work", longest=0, stream="events.tests")
        with capture_logs() as log:
            backoff.reset()
            await backoff.wait(OSError("away"))
            await backoff.wait(OSError("away"))
            backoff.reset()
            backoff.reset()
        fields = {"work": "work", "stream": "events.tests"}
        assert log == [
            {
                "event": "outage started",
                "log_level": "warning",
                "reason": "OSError: away",
                **fields,
            },
            {"event": "outage ended", "log_level": "info", **fields},
        ]

    async def test_work_runs_until_it_succeeds(self) -> None:
        errors = [OSError(), OSError()]

        async def work() -> None:
            if errors:
                raise errors.pop()

        with capture_logs() as log:
            await Backoff("work", longest=0).until_success(work, (OSError,))
        assert [line["event"] for line in log] == ["outage started", "outage ended"]

    async def test_exception_that_is_no_outage_ends_the_attempts(self) -> None:
        with pytest.raises(CrashError):
            await Backoff("work", longest=0).until_success(crash, (OSError,))

    async def test_repeated_work_goes_on_after_an_exception(self) -> None:
        outcomes = [None, OSError(), None]

        async def work() -> None:
            if not outcomes:
                raise asyncio.CancelledError
            if error := outcomes.pop():
                raise error

        with capture_logs() as log, pytest.raises(asyncio.CancelledError):
            await Backoff("work", longest=0).repeat(work, 0)
        assert [line["event"] for line in log] == ["outage started", "outage ended"]

    async def test_unexpected_exception_is_logged_with_its_traceback_and_retried(self) -> None:
        errors = [CrashError(), OSError(), CrashError()]

        async def work() -> None:
            if errors:
                raise errors.pop()
            raise asyncio.CancelledError

        with capture_logs() as log, pytest.raises(asyncio.CancelledError):
            await Backoff("work", longest=0).retry_forever(work, (OSError,))
        failures = [line for line in log if line["log_level"] == "error"]
        assert [(line["event"], line["exc_info"]) for line in failures] == [
            ("background work failed", True)
        ] * 2
