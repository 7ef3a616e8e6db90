"""Work in the background ends with its block, however it takes being told."""

import asyncio

import pytest

from chassis.background import running


class TestRunning:
    async def test_it_runs_while_the_block_does(self) -> None:
        started, ended = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        async with running(work()):
            await started.wait()
            assert not ended.is_set()
        assert ended.is_set()

    async def test_a_cancellation_that_gets_lost_is_repeated(self) -> None:
        lost = 0

        async def work() -> None:
            nonlocal lost
            while lost < 3:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    lost += 1

        async with running(work()):
            await asyncio.sleep(0)
        assert lost == 3

    async def test_whoever_is_cancelled_meanwhile_leaves_nothing_behind(self) -> None:
        """The second cancellation comes while the first one's clean-up waits."""
        waiting, let_go, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def work() -> None:
            while not let_go.is_set():
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    waiting.set()
            ended.set()

        async def block() -> None:
            async with running(work()):
                await asyncio.Event().wait()

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

    async def test_a_failure_is_not_lost(self) -> None:
        async def work() -> None:
            raise LookupError

        with pytest.raises(LookupError):
            async with running(work()):
                await asyncio.sleep(0)
