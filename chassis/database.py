"""PostgreSQL through `databases`: one unit of work per use case, safe against cancellation."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import asyncpg
import databases
import structlog

from chassis.sessions.guard import require_live_session, verify_live_session
from chassis.tracing import is_on, span

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

T = TypeVar("T")
Row = Mapping[str, Any]
Values = Mapping[str, Any] | None
Raw: TypeAlias = "PoolConnectionProxy[Any]"

_ATTEMPTS = 6
_PARAMETER = re.compile(r"(?<![:\w]):([a-z]\w*)")  # not the type in `::type`
_log = structlog.get_logger("chassis.database")


class Connection:
    """One connection as repositories see it: SQL with named parameters (`:id`), rows by column.

    The statements go to asyncpg, which keeps them prepared; `databases` would have SQLAlchemy
    compile each of them again at each call. A unit of work leaves nothing behind in its session
    (`SET LOCAL`, locks of the transaction), for nothing is reset when it ends.
    """

    __slots__ = ("_raw",)

    def __init__(self, raw: "Raw | _Once") -> None:
        self._raw = raw

    async def fetch_all(self, query: str, values: Values = None) -> list[Row]:
        with _statement(query):
            return await self._raw.fetch(*_positional(query, values))

    async def fetch_one(self, query: str, values: Values = None) -> Row | None:
        with _statement(query):
            return await self._raw.fetchrow(*_positional(query, values))

    async def fetch_val(self, query: str, values: Values = None) -> Any:
        with _statement(query):
            return await self._raw.fetchval(*_positional(query, values))

    async def execute(self, query: str, values: Values = None) -> None:
        with _statement(query):
            await self._raw.fetchval(*_positional(query, values))


class _Discreet:
    """Takes the detail off PostgreSQL's errors: it quotes rows, and what is private in them."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, asyncpg.PostgresError):
            error.detail = None


_DISCREET = _Discreet()


def _statement(query: str) -> AbstractContextManager[None]:
    return _traced(query) if is_on() else _DISCREET


@contextmanager
def _traced(query: str) -> Iterator[None]:
    """A statement in a trace: its text, which holds names of parameters and no values."""
    verb = query.split(maxsplit=1)[0].upper()
    attributes = {"db.system.name": "postgresql", "db.query.text": " ".join(query.split())}
    with span(f"SQL {verb}", "client", attributes=attributes), _DISCREET:
        yield


def _positional(query: str, values: Values) -> tuple[Any, ...]:
    """The statement and its arguments as PostgreSQL wants them. Raises ValueError or KeyError."""
    statement, names = _numbered(query)
    given = values or {}
    if len(given) != len(names):
        raise ValueError(f"The statement wants {names}, and was given {[*given]}.")
    return statement, *[given[name] for name in names]


@lru_cache(512)
def _numbered(query: str) -> tuple[str, list[str]]:
    """The statement with `$1` for its first parameter, and the parameters' names in their order."""
    names: dict[str, int] = {}
    statement = _PARAMETER.sub(
        lambda match: f"${names.setdefault(match[1], len(names) + 1)}", query
    )
    return statement, list(names)


class _Once:
    """A connection's only statement. What would have to be undone with it cannot come after it."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Raw) -> None:
        self._raw: Raw | None = raw

    def __getattr__(self, name: str) -> Any:
        raw, self._raw = self._raw, None
        if raw is None:
            raise RuntimeError("This unit of work may make a single statement.")
        return getattr(raw, name)


Work = Callable[[Connection], Awaitable[T]]


class DatabaseUnavailableError(Exception):
    """The server did not answer in the time that was given."""


UNAVAILABLE: tuple[type[Exception], ...] = (
    DatabaseUnavailableError,
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,  # connections among them
    asyncpg.TransactionRollbackError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, a statement's time is over
    asyncpg.ReadOnlySQLTransactionError,  # a standby that has not taken over yet
    asyncpg.InterfaceError,  # "connection is closed"
    asyncpg.InternalClientError,  # the server has begun to end the connection
)
"""What a unit of work raises when the server is away or cannot take it now."""


_RETRIED = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    # A migration has changed a table under a prepared statement, which is a new one next time.
    asyncpg.InvalidCachedStatementError,
)


class Database:
    """A pool of connections to one database.

    `databases` opens the pool and owns it. Connections are taken from asyncpg's pool itself: those
    of `databases` are lost when a task is cancelled while it holds one, and cost as much as a
    statement.

    A transaction, or a statement, runs in a task of its own, which a cancelled caller leaves alone
    but waits for: it is committed all the same, as it would be if the cancellation had come a
    moment later. A cancelled read ends there and then, at the server too.

    A transaction, or a statement, of a request whose session has ended raises SessionOver and
    changes nothing (chassis/sessions/guard.py).
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        statement_timeout: float = 10.0,
        on_acquire: Callable[["asyncpg.Connection[Any]"], Awaitable[None]] | None = None,
    ) -> None:
        """`statement_timeout` in seconds; `on_acquire` sees each connection taken from the pool."""
        self._pool_size = pool_size
        self._databases = databases.Database(
            url,
            min_size=min(2, pool_size),
            max_size=pool_size,
            setup=on_acquire,
            reset=_nothing_to_reset,
            timeout=statement_timeout,
            # For a server that does not answer at all; its own limit comes first.
            command_timeout=1.5 * statement_timeout,
            server_settings={
                "statement_timeout": str(int(statement_timeout * 1000)),
                "idle_in_transaction_session_timeout": str(int(statement_timeout * 2000)),
                "timezone": "UTC",
                # Plan each statement once, not at each call: for a timeline that was most of it.
                "plan_cache_mode": "force_generic_plan",
            },
        )

    @property
    def _where(self) -> str:
        return f"{self._databases.url.hostname}:{self._databases.url.port}"

    @property
    def _pool(self) -> "asyncpg.Pool[Any] | None":
        pool: asyncpg.Pool[Any] | None = self._databases._backend._pool  # noqa: SLF001
        return pool

    @property
    def connections(self) -> tuple[int, int, int]:
        """Those in use, those that are open, and how many there may be."""
        if (pool := self._pool) is None:
            return 0, 0, self._pool_size
        return pool.get_size() - pool.get_idle_size(), pool.get_size(), self._pool_size

    async def connect(self, *, patience: float = 15.0) -> None:
        """Opens the pool, trying again for `patience` seconds while the server is starting.

        Raises DatabaseUnavailableError.
        """
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            try:
                await self._databases.connect()
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError) as e:
                # `databases` keeps the pool that it failed to open, and refuses to try again.
                self._databases._backend._pool = None  # noqa: SLF001
                if asyncio.get_running_loop().time() >= deadline:
                    reason = str(e) or type(e).__name__  # a TimeoutError has no text
                    raise DatabaseUnavailableError(
                        f"PostgreSQL at {self._where} does not answer: {reason}"
                    ) from e
                await asyncio.sleep(0.1)
            else:
                return

    async def disconnect(self) -> None:
        await self._databases.disconnect()

    async def ping(self) -> None:
        """Asks the server for an answer. Raises what the driver raises."""
        await self.read(lambda connection: connection.fetch_val("SELECT 1"))

    async def transaction(self, work: Work[T]) -> T:
        """Runs `work` in one transaction and gives its result.

        `work` is run again, from its start and in a new transaction, when the server reports a
        serialisation failure or a deadlock: it must have no effect but on its connection.
        """

        async def whole(raw: Raw) -> T:
            async with raw.transaction():
                result = await work(Connection(raw))
                # Once more, as late as can be: the session may have ended meanwhile.
                require_live_session()
                return result

        await verify_live_session()
        return await _guarded(self._attempts(whole))

    async def statement(self, work: Work[T]) -> T:
        """Runs `work`, a single statement, which commits by itself: two round trips less.

        In all else it is a transaction. A second statement of `work` raises RuntimeError and is not
        sent; the first is committed by then.
        """

        async def once(raw: Raw) -> T:
            require_live_session()
            return await work(Connection(_Once(raw)))

        await verify_live_session()
        return await _guarded(self._attempts(once))

    async def read(self, work: Work[T]) -> T:
        """Runs `work` on one connection without a transaction: each statement for itself.

        It must not write: a cancelled caller's ends where it is.
        """
        return await self._on_connection(lambda raw: work(Connection(raw)))

    @asynccontextmanager
    async def locked(self, name: str, *, shared: bool = False) -> AsyncIterator[Connection]:
        """Hold the advisory lock `name` inside the block, in a transaction of its own.

        The block gets the connection of that transaction, which is committed at its end and rolled
        back after an exception. When PostgreSQL has ended the connection, the lock is lost: the
        next statement on it raises, at the latest the commit. Other units of work of the block run
        on other connections, so the pool must have two.
        """
        function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        raw = await self._acquired()
        committed = False
        try:
            with _DISCREET:
                # One round trip. The block may take longer than a transaction may be idle.
                await raw.execute(
                    "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; "
                    f"SELECT {function}({_lock_key(name)})"
                )
                yield Connection(raw)
                await raw.execute("COMMIT")
            committed = True
        finally:
            await _guarded(_released(raw) if committed else _undone(raw))

    async def _attempts(self, work: Callable[[Raw], Awaitable[T]]) -> T:
        for attempt in range(1, _ATTEMPTS):
            try:
                return await self._on_connection(work)
            except _RETRIED as error:
                _log.info("transaction retried", attempt=attempt, reason=type(error).__name__)
                await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311
        return await self._on_connection(work)

    async def _on_connection(self, work: Callable[[Raw], Awaitable[T]]) -> T:
        raw = await self._acquired()
        try:
            with _DISCREET:  # COMMIT may have something to say too
                return await work(raw)
        finally:
            await _released(raw)

    async def _acquired(self) -> Raw:
        if (pool := self._pool) is None:
            raise DatabaseUnavailableError(f"There is no connection to {self._where}.")
        return await pool.acquire()


async def _released(raw: Raw) -> None:
    # `pool.release` does this in a task under a shield, which costs as much as the rest of a read.
    # Of a connection that the server has ended the place is back already, and may be another's by
    # now.
    if raw._con is not None:  # type: ignore[attr-defined]  # noqa: SLF001
        await raw._holder.release(None)  # noqa: SLF001


async def _undone(raw: Raw) -> None:
    """Roll back and release a connection, whatever it was doing."""
    with suppress(Exception):
        await raw.execute("ROLLBACK")
    await _released(raw)


def _lock_key(name: str) -> int:
    """Return PostgreSQL's number for the lock of this name."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)


async def _nothing_to_reset(_: object) -> None:
    """Spares a round trip. (asyncpg itself ends an open transaction, and what listens.)"""


async def _guarded(work: Awaitable[T]) -> T:
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                continue
        if not task.cancelled() and (error := task.exception()):
            _log.warning("abandoned unit of work failed", exc_info=error)
        raise
