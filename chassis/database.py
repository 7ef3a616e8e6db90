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
    """One connection for repositories: SQL with named parameters (`:id`), rows as mappings.

    Statements go to asyncpg, which keeps them prepared; `databases` would have SQLAlchemy compile
    them at each call. A unit of work must not change its database session (use `SET LOCAL` and
    transaction locks), because connections are not reset.
    """

    __slots__ = ("_raw",)

    def __init__(self, raw: "Raw | _SingleStatement") -> None:
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


class _DetailRemover:
    """Removes the DETAIL of PostgreSQL's errors, which quotes rows and their private data."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, asyncpg.PostgresError):
            error.detail = None


_WITHOUT_DETAIL = _DetailRemover()


def _statement(query: str) -> AbstractContextManager[None]:
    return _traced(query) if is_on() else _WITHOUT_DETAIL


@contextmanager
def _traced(query: str) -> Iterator[None]:
    """Add a span with the text of the statement, which has parameter names and no values."""
    verb = query.split(maxsplit=1)[0].upper()
    attributes = {"db.system.name": "postgresql", "db.query.text": " ".join(query.split())}
    with span(f"SQL {verb}", "client", attributes=attributes), _WITHOUT_DETAIL:
        yield


def _positional(query: str, values: Values) -> tuple[Any, ...]:
    """Return the statement and its arguments with positions instead of names.

    Raises ValueError or KeyError if `values` does not fit the statement.
    """
    statement, names = _numbered(query)
    given = values or {}
    if len(given) != len(names):
        raise ValueError(f"The statement has the parameters {names}, but got {[*given]}.")
    return statement, *[given[name] for name in names]


@lru_cache(512)
def _numbered(query: str) -> tuple[str, list[str]]:
    """Return the statement with `$1`, `$2`, … for its parameters, and their names in this order."""
    names: dict[str, int] = {}
    statement = _PARAMETER.sub(
        lambda match: f"${names.setdefault(match[1], len(names) + 1)}", query
    )
    return statement, list(names)


class _SingleStatement:
    """Lets one statement through: without a transaction, a second one could not be rolled back."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Raw) -> None:
        self._raw: Raw | None = raw

    def __getattr__(self, name: str) -> Any:
        raw, self._raw = self._raw, None
        if raw is None:
            raise RuntimeError("`statement` runs one statement; use `transaction` for several.")
        return getattr(raw, name)


Work = Callable[[Connection], Awaitable[T]]


class DatabaseUnavailableError(Exception):
    """The server did not answer in time."""


UNAVAILABLE: tuple[type[Exception], ...] = (
    DatabaseUnavailableError,
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,  # too many connections, for example
    asyncpg.TransactionRollbackError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, statement timeout
    asyncpg.ReadOnlySQLTransactionError,  # a standby that is not promoted yet
    asyncpg.InterfaceError,  # "connection is closed"
    asyncpg.InternalClientError,  # the server is closing the connection
)
"""The exceptions of a unit of work during an outage of the server."""


_RETRIED = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    # A migration has changed a table of a prepared statement; the retry prepares it again.
    asyncpg.InvalidCachedStatementError,
)


class Database:
    """A pool of connections to one database.

    `databases` opens and owns the pool. Connections are taken directly from asyncpg's pool: a
    connection of `databases` is lost to the pool when its task is cancelled, and costs as much as a
    statement (docs/adr/0004).

    A transaction or a statement runs in a separate task. A cancelled caller does not cancel that
    task but waits for it: the work is committed, as if the cancellation had come a moment later. A
    cancelled read is cancelled at the server too.

    A transaction or a statement of a request whose session has ended changes nothing and raises
    SessionEnded: `verify_live_session` may ask auth and runs before, `require_live_session` does no
    I/O and runs on the connection (chassis/sessions/guard.py).
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        statement_timeout: float = 10.0,
        on_acquire: Callable[["asyncpg.Connection[Any]"], Awaitable[None]] | None = None,
    ) -> None:
        """`statement_timeout`: seconds. `on_acquire` is called with each acquired connection."""
        self._pool_size = pool_size
        self._databases = databases.Database(
            url,
            min_size=min(2, pool_size),
            max_size=pool_size,
            setup=on_acquire,
            reset=_skip_reset,
            timeout=statement_timeout,
            # For a server that does not answer at all; otherwise its own timeout comes first.
            command_timeout=1.5 * statement_timeout,
            server_settings={
                "statement_timeout": str(int(statement_timeout * 1000)),
                "idle_in_transaction_session_timeout": str(int(statement_timeout * 2000)),
                "timezone": "UTC",
                # Plan each statement once: planning was most of a timeline (docs/performance.md).
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
        """The numbers of connections in use, open, and allowed."""
        if (pool := self._pool) is None:
            return 0, 0, self._pool_size
        return pool.get_size() - pool.get_idle_size(), pool.get_size(), self._pool_size

    async def connect(self, *, patience: float = 15.0) -> None:
        """Open the pool; retry for `patience` seconds while the server is starting.

        Raises DatabaseUnavailableError.
        """
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            try:
                await self._databases.connect()
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError) as e:
                # `databases` keeps the pool that failed to open, and refuses a second attempt.
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
        """Run a trivial query. Raises one of UNAVAILABLE during an outage."""
        await self.read(lambda connection: connection.fetch_val("SELECT 1"))

    async def transaction(self, work: Work[T]) -> T:
        """Run `work` in one transaction and return its result.

        After a serialisation failure or a deadlock `work` runs again in a new transaction: it must
        have no effects except on its connection.
        """

        async def whole(raw: Raw) -> T:
            async with raw.transaction():
                result = await work(Connection(raw))
                # Checked again, as late as possible: the session may have ended meanwhile.
                require_live_session()
                return result

        await verify_live_session()
        return await _run_to_end(self._attempts(whole))

    async def statement(self, work: Work[T]) -> T:
        """Run `work`, a single statement, without BEGIN and COMMIT: two round trips less.

        Otherwise like `transaction`. A second statement of `work` raises RuntimeError and is not
        sent; the first one is committed by then.
        """

        async def once(raw: Raw) -> T:
            require_live_session()
            return await work(Connection(_SingleStatement(raw)))

        await verify_live_session()
        return await _run_to_end(self._attempts(once))

    async def read(self, work: Work[T]) -> T:
        """Run `work` on one connection without a transaction.

        `work` must not write, because a cancelled caller cancels it.
        """
        return await self._on_connection(lambda raw: work(Connection(raw)))

    @asynccontextmanager
    async def locked(self, name: str, *, shared: bool = False) -> AsyncIterator[Connection]:
        """Hold the advisory lock `name` inside the block, in a separate transaction.

        Yields the connection of that transaction, which is committed at the end of the block and
        rolled back after an exception. If PostgreSQL closes the connection, the lock is lost, and
        the next statement on the connection raises, at the latest the commit. Other units of work
        of the block run on other connections, so the pool needs at least two.
        """
        function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        raw = await self._acquire()
        committed = False
        try:
            with _WITHOUT_DETAIL:
                # One round trip. The block may take longer than the idle timeout of transactions.
                await raw.execute(
                    "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; "
                    f"SELECT {function}({_lock_key(name)})"
                )
                yield Connection(raw)
                await raw.execute("COMMIT")
            committed = True
        finally:
            await _run_to_end(_release(raw) if committed else _roll_back(raw))

    async def _attempts(self, work: Callable[[Raw], Awaitable[T]]) -> T:
        for attempt in range(1, _ATTEMPTS):
            try:
                return await self._on_connection(work)
            except _RETRIED as error:
                _log.info("transaction retried", attempt=attempt, reason=type(error).__name__)
                await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311
        return await self._on_connection(work)

    async def _on_connection(self, work: Callable[[Raw], Awaitable[T]]) -> T:
        raw = await self._acquire()
        try:
            with _WITHOUT_DETAIL:  # COMMIT may raise an error with a detail too
                return await work(raw)
        finally:
            await _release(raw)

    async def _acquire(self) -> Raw:
        if (pool := self._pool) is None:
            raise DatabaseUnavailableError(f"Not connected to PostgreSQL at {self._where}.")
        return await pool.acquire()


async def _release(raw: Raw) -> None:
    # `pool.release` does this in a shielded task, which costs as much as the rest of a read
    # (docs/adr/0004). After the server has closed a connection, its slot in the pool is already
    # free and may belong to another connection.
    if raw._con is not None:  # type: ignore[attr-defined]  # noqa: SLF001
        await raw._holder.release(None)  # noqa: SLF001


async def _roll_back(raw: Raw) -> None:
    """Roll back and release a connection in any state."""
    with suppress(Exception):
        await raw.execute("ROLLBACK")
    await _release(raw)


def _lock_key(name: str) -> int:
    """Return the key of the advisory lock with this name."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)


async def _skip_reset(_: object) -> None:
    """Do nothing, which saves a round trip; asyncpg itself ends open transactions and listeners."""


async def _run_to_end(work: Awaitable[T]) -> T:
    """Run `work` to its end even if the caller is cancelled, which then waits for it."""
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
