"""Shared executions: a viewer never gets what only another one may have, and nobody waits alone."""

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import pytest

from graphql_streams import Broadcast, Reads, SharedEvent, Viewer, Work

USER, SESSION, CONNECTION = 1, 2, 3
request: ContextVar[str] = ContextVar("request", default="none")


class Executions:
    """Executes events: returns the parts of the viewer that it reads, down to `depth`."""

    def __init__(self, depth: int = USER) -> None:
        self.depth = depth
        self.count = 0
        self.gate = asyncio.Event()
        self.contexts: list[str] = []

    def run(self, viewer: Viewer) -> Any:
        def execute(value: object, reads: Reads) -> Any:
            self.count += 1
            self.contexts.append(request.get())
            reads.note(self.depth)
            return value, viewer[: self.depth]

        return execute

    def run_slowly(self, viewer: Viewer) -> Any:
        async def finish(value: object, reads: Reads) -> Any:
            await self.gate.wait()
            reads.note(self.depth)
            return value, viewer[: self.depth]

        def execute(value: object, reads: Reads) -> Coroutine[Any, Any, Any]:
            self.count += 1
            return finish(value, reads)

        return execute


def viewer(user: str = "ada", session: str = "laptop", connection: int = 1) -> Viewer:
    return user, session, connection


async def started(*coroutines: Any) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


@pytest.mark.parametrize(
    ("depth", "count"),
    [(USER, 2), (SESSION, 3), (CONNECTION, 4)],
)
async def test_event_is_executed_once_for_all_who_have_in_common_what_it_reads(
    depth: int, count: int
) -> None:
    viewers = [
        viewer(),
        viewer(connection=2),
        viewer(session="phone", connection=3),
        viewer("bob", "tablet", 4),
    ]
    executions, event, work = Executions(depth), SharedEvent("event"), Work()
    found = [event.result(work, each, executions.run(each)) for each in viewers * 3]
    assert found == [("event", each[:depth]) for each in viewers * 3]
    assert executions.count == count


async def test_other_work_and_other_events_are_executed_for_themselves() -> None:
    executions, ada = Executions(), viewer()
    for event in (SharedEvent("1"), SharedEvent("2")):
        for work in (Work(), Work()):
            event.result(work, ada, executions.run(ada))
    assert executions.count == 4


async def test_waiting_viewers_share_one_execution() -> None:
    executions, event, work = Executions(), SharedEvent("event"), Work()
    viewers = [viewer(connection=number) for number in range(100)]
    waiting = await started(
        *(event.result(work, each, executions.run_slowly(each)) for each in viewers)
    )
    executions.gate.set()
    assert await asyncio.gather(*waiting) == [("event", ("ada",))] * 100
    assert executions.count == 1


async def test_viewer_who_waits_for_what_turns_out_private_executes_again() -> None:
    executions, event, work = Executions(SESSION), SharedEvent("event"), Work()
    viewers = [viewer(), viewer(session="phone"), viewer(connection=2)]
    waiting = await started(
        *(event.result(work, each, executions.run_slowly(each)) for each in viewers)
    )
    executions.gate.set()
    found = await asyncio.gather(*waiting)
    assert found == [("event", each[:SESSION]) for each in viewers]
    assert executions.count == 2


async def test_cancellation_of_the_first_does_not_end_the_execution() -> None:
    executions, event, work = Executions(), SharedEvent("event"), Work()
    first, second = await started(
        event.result(work, viewer(), executions.run_slowly(viewer())),
        event.result(work, viewer(), executions.run_slowly(viewer())),
    )
    first.cancel()
    await asyncio.sleep(0)
    executions.gate.set()
    assert await second == ("event", ("ada",))
    assert executions.count == 1


async def test_execution_ends_with_the_last_who_waits_and_can_begin_again() -> None:
    executions, event, work = Executions(), SharedEvent("event"), Work()
    waiting = await started(
        *(event.result(work, viewer(), executions.run_slowly(viewer())) for _ in range(2))
    )
    before = asyncio.all_tasks()
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    await asyncio.sleep(0)
    assert len(before) - len(asyncio.all_tasks()) == 3, "two waited for one execution"
    executions.gate.set()
    again = event.result(work, viewer(), executions.run_slowly(viewer()))
    assert await again == ("event", ("ada",))
    assert executions.count == 2


@pytest.mark.parametrize("slowly", [False, True])
async def test_failure_is_shared(slowly: bool) -> None:
    count = 0

    def fail(_: object, __: Reads) -> Any:
        nonlocal count
        count += 1
        if slowly:
            return later()
        raise RuntimeError("broken")

    async def later() -> None:
        raise RuntimeError("broken")

    event, work = SharedEvent("event"), Work()
    for _ in range(3):
        with pytest.raises(RuntimeError, match="broken"):
            await event.result(work, viewer(), fail)
    assert count == 1


async def test_nothing_of_a_request_is_seen_in_the_context() -> None:
    executions = Executions()
    request.set("of ada")
    SharedEvent("event").result(Work(), viewer(), executions.run(viewer()))
    assert executions.contexts == ["none"]


@dataclass(slots=True, weakref_slot=True)
class Item:
    """An event without a hash, as a dataclass is by default."""

    number: int


def number_of(item: Item) -> int:
    return item.number


class Source:
    def __init__(self, *items: Item) -> None:
        self.items = [*items]
        self.closed = False
        self.take: Any = None

    async def __anext__(self) -> Item:
        if not self.items:
            raise StopAsyncIteration
        return self.items.pop(0)

    async def aclose(self) -> None:
        self.closed = True

    def attach(self, take: Any) -> None:
        self.take = take


class TestBroadcast:
    def test_event_of_an_object_is_one_event(self) -> None:
        converted: list[Item] = []

        def convert(item: Item) -> str:
            converted.append(item)
            return f"item {item.number}"

        broadcast, item, equal = Broadcast(convert), Item(1), Item(1)
        assert broadcast.event(item) is broadcast.event(item)
        assert broadcast.event(item).value == "item 1"
        assert broadcast.event(item) is not broadcast.event(equal), "equal is not the same event"
        assert converted == [item, equal]

    def test_event_is_forgotten_with_its_object(self) -> None:
        broadcast = Broadcast(number_of)
        item = Item(1)
        broadcast.event(item)
        assert len(broadcast._shared) == 1
        del item
        assert not broadcast._shared

    async def test_source_yields_values_and_closes(self) -> None:
        broadcast = Broadcast(number_of)
        source = Source(Item(1), Item(2))
        shared = broadcast.of(source)
        assert [value async for value in shared] == [1, 2]
        await shared.aclose()
        assert source.closed

    async def test_event_that_is_taken_is_the_one_that_is_read(self) -> None:
        broadcast = Broadcast(number_of)
        item = Item(1)
        source = Source(item)
        shared = broadcast.of(source)
        taken: list[SharedEvent[int]] = []

        def take(event: SharedEvent[int]) -> bool:
            taken.append(event)
            return True

        shared.attach(take)
        assert source.take(item)
        assert [await shared.event()] == taken
