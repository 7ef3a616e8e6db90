"""One execution of an event for all the subscriptions that get the same result of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable
from contextvars import Context
from types import CoroutineType
from typing import Any, Generic, Protocol, TypeVar
from weakref import ref

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)
R = TypeVar("R")
T = TypeVar("T")


Viewer = tuple[Hashable, ...]
"""For whom an event is executed, in parts: a user, then their session, then the connection.

A result that depends on the first part only is shared by all viewers that have it in common. One
that depends on the second part too is shared by those that have both in common, and so on.
"""


class Reads:
    """The parts of its viewer that an execution has read."""

    __slots__ = ("depth",)

    def __init__(self) -> None:
        self.depth = 1
        """The number of parts on which the result depends."""

    def note(self, depth: int) -> None:
        """Record that one of the first `depth` parts is read."""
        self.depth = max(self.depth, depth)


class Work:
    """What several subscriptions do with an event: a selection with its variables, for example.

    Keep one object for all of them: it is compared by identity.
    """

    depth = 1
    """The largest `Reads.depth` of its executions so far."""


Run = Callable[[T, Reads], R | Coroutine[Any, Any, R]]
"""Executes the value of an event. Calls `Reads.note` when it reads more than the viewer's first
part."""


class _Execution(Generic[R]):
    """A result that is there or on its way."""

    __slots__ = ("future", "reads", "viewer", "waiting")

    def __init__(self, future: asyncio.Future[R], reads: Reads, viewer: Viewer) -> None:
        self.future = future
        self.reads = reads
        self.viewer = viewer
        self.waiting = 0


class SharedEvent(Generic[T]):
    """An event that several subscriptions get, with the results made of it so far.

    Its value must not change.
    """

    __slots__ = ("_executions", "value")

    def __init__(self, value: T) -> None:
        self.value = value
        self._executions: dict[Hashable, _Execution[Any]] = {}

    def result(self, work: Work, viewer: Viewer, run: Run[T, R]) -> R | Coroutine[Any, Any, R]:
        """Return the result for this viewer, or a coroutine of it; execute where it is necessary.

        `run` is called in an empty context: it serves several requests. If it returns a coroutine,
        that runs in a task, which is cancelled when all who waited for it were.
        """
        key = _key(work, viewer)
        execution: _Execution[R] | None = self._executions.get(key)
        if execution is None or execution.future.cancelled():
            execution = self._executions[key] = _execute(self.value, viewer, run)
        if not execution.future.done():
            return self._wait(execution, key, work, viewer, run)
        if self._holds(execution, work, viewer):
            return execution.future.result()
        return self.result(work, viewer, run)  # `work` is deeper by now

    async def _wait(
        self, execution: _Execution[R], key: Hashable, work: Work, viewer: Viewer, run: Run[T, R]
    ) -> R:
        execution.waiting += 1
        try:
            await asyncio.wait((execution.future,))
        finally:
            execution.waiting -= 1
            if not execution.waiting and not execution.future.done():
                execution.future.cancel()
                if self._executions.get(key) is execution:
                    del self._executions[key]
        if self._holds(execution, work, viewer):
            return execution.future.result()
        own = self.result(work, viewer, run)
        return await own if isinstance(own, CoroutineType) else own  # type: ignore[return-value]

    def _holds(self, execution: _Execution[Any], work: Work, viewer: Viewer) -> bool:
        """Return whether a result that is there holds for this viewer."""
        depth = execution.reads.depth
        if depth > work.depth:
            work.depth = depth
            self._executions[_key(work, execution.viewer)] = execution
        return execution.viewer is viewer or execution.viewer[:depth] == viewer[:depth]


def _key(work: Work, viewer: Viewer) -> Hashable:
    return work, viewer[: work.depth]


def _execute(value: T, viewer: Viewer, run: Run[T, R]) -> _Execution[R]:
    loop = asyncio.get_running_loop()
    reads, context = Reads(), Context()
    future: asyncio.Future[R]
    try:
        found = context.run(run, value, reads)
    except Exception as error:
        future = loop.create_future()
        future.set_exception(error)
    else:
        if isinstance(found, CoroutineType):
            future = loop.create_task(found, context=context)
        else:
            future = loop.create_future()
            future.set_result(found)  # type: ignore[arg-type]
    return _Execution(future, reads, viewer)


class LiveSource(Protocol[E_co]):
    """A source of events that can hand one over without waking the task that waits for it."""

    def __anext__(self) -> Awaitable[E_co]:
        """Return the next event that `take` has not taken."""

    async def aclose(self) -> None: ...

    def attach(self, take: Callable[[E_co], bool]) -> None:
        """Call `take` with the next event while `__anext__` waits for it, before it returns it.

        If `take` returns True, the event is delivered, and `__anext__` continues to wait. A source
        keeps the order: it calls `take` only if `__anext__` would return this event next.
        """


class Broadcast(Generic[E, T]):
    """Shares the events of one kind: sources yield the same object to each subscription.

    Keep one for each field. An event must not change, and needs weak references.
    """

    def __init__(self, convert: Callable[[E], T]) -> None:
        """`convert` returns the value that is executed for an event; it is called once for each."""
        self._convert = convert
        self._shared: dict[int, tuple[ref[Any], SharedEvent[T]]] = {}

    def event(self, event: E) -> SharedEvent[T]:
        """Return the shared event of this object, which lives as long as it."""
        # By identity: events of equal value are different events, and need not be hashable.
        key = id(event)
        found = self._shared.get(key)
        if found is None:
            forget = self._shared.pop
            shared = SharedEvent(self._convert(event))
            found = self._shared[key] = (ref(event, lambda _: forget(key, None)), shared)
        return found[1]

    def of(self, source: LiveSource[E]) -> "SharedSource[E, T]":
        """Return what a subscription's resolver returns for this source."""
        return SharedSource(self, source)


class SharedSource(Generic[E, T]):
    """The events of a source, as values for an executor or as shared events."""

    __slots__ = ("_broadcast", "_source")

    def __init__(self, broadcast: Broadcast[E, T], source: LiveSource[E]) -> None:
        self._broadcast = broadcast
        self._source = source

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        return (await self.event()).value

    async def event(self) -> SharedEvent[T]:
        """Return the next event. Raises StopAsyncIteration at the end of the source."""
        return self._broadcast.event(await self._source.__anext__())

    def attach(self, take: Callable[[SharedEvent[T]], bool]) -> None:
        """Let `take` have an event first, as a LiveSource does."""
        event = self._broadcast.event
        self._source.attach(lambda each: take(event(each)))

    async def aclose(self) -> None:
        await self._source.aclose()
