"""Units of work on a real PostgreSQL: cancellation, conflicts and outages."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from unittest.mock import AsyncMock

import asyncpg
import pytest
from structlog.testing import capture_logs

from chassis.database import UNAVAILABLE, Connection, Database, DatabaseUnavailableError
from chassis.errors import SessionEnded
from chassis.sessions.guard import ActingSession
from stack.ports import free_ports
from tests.integration.conftest import FreshDatabase, until
from tests.unit.chassis.known_sessions import KnownSessions

POOL = 5


@pytest.fixture
async def database(fresh_database: FreshDatabase) -> AsyncIterator[Database]:
    database = Database(await fresh_database("chassis", None), pool_size=POOL)
    await database.connect()
    await database.transaction(lambda c: c.execute("CREATE TABLE counters (id int, n int)"))
    await database.transaction(lambda c: c.execute("INSERT INTO counters VALUES (1, 0), (2, 0)"))
    yield database
    await database.disconnect()


async def count(database: Database, counter: int = 1) -> int:
    n = await database.read(
        lambda c: c.fetch_val("SELECT n FROM counters WHERE id = :id", {"id": counter})
    )
    return int(n)


async def increment(connection: Connection) -> None:
    await connection.execute(
        """
        WITH incremented AS (UPDATE counters SET n = n + 1 WHERE id = 1)
        SELECT pg_sleep(0.002)
        """
    )


async def as_session(known: KnownSessions, work: Callable[[], Awaitable[object]]) -> None:
    """Run work as part of a request of the session `s`."""

    async def app(*_: object) -> None:
        await work()

    scope = {"type": "http", "headers": [(b"x-auth-session-id", b"s")]}
    await ActingSession(app, known.guard)(scope, AsyncMock(), AsyncMock())


class TestEndedSession:
    async def test_transaction_is_rolled_back_if_the_session_ends_during_it(
        self, database: Database
    ) -> None:
        known = KnownSessions()

        async def work(connection: Connection) -> None:
            await increment(connection)
            known.ended.add("s")

        with pytest.raises(SessionEnded):
            await as_session(known, lambda: database.transaction(work))
        assert await count(database) == 0
        assert database.connections[0] == 0

    @pytest.mark.parametrize("mode", ["transaction", "statement"])
    @pytest.mark.parametrize("known", [{"ended": {"s"}}, {"ended_at_auth": {"s"}}])
    async def test_ended_session_sends_no_statement(
        self, database: Database, mode: str, known: dict[str, set[str]]
    ) -> None:
        sessions = KnownSessions(is_current=False, **known)  # type: ignore[arg-type]
        with pytest.raises(SessionEnded):
            await as_session(sessions, lambda: getattr(database, mode)(increment))
        assert await count(database) == 0

    async def test_statement_is_not_sent_if_the_session_ends_while_it_waits(
        self, database: Database
    ) -> None:
        known, all_taken, ended = KnownSessions(), asyncio.Event(), asyncio.Event()
        taken = 0

        async def take(connection: Connection) -> None:
            nonlocal taken
            taken += 1
            if taken == POOL:
                all_taken.set()
            await ended.wait()
            await connection.fetch_val("SELECT 1")

        async def end() -> None:
            await all_taken.wait()
            statement = asyncio.create_task(
                as_session(known, lambda: database.statement(increment))
            )
            while not known.looked:
                await asyncio.sleep(0)
            known.ended.add("s")
            ended.set()
            with pytest.raises(SessionEnded):
                await statement

        await asyncio.gather(*(database.transaction(take) for _ in range(POOL)), end())
        assert await count(database) == 0

    @pytest.mark.parametrize("mode", ["transaction", "statement"])
    async def test_other_sessions_and_background_work_are_not_affected(
        self, database: Database, mode: str
    ) -> None:
        work = getattr(database, mode)
        await as_session(KnownSessions(ended={"another"}), lambda: work(increment))
        await work(increment)
        assert await count(database) == 2


class TestLostConnections:
    @pytest.mark.parametrize("mode", ["transaction", "statement", "read"])
    async def test_connection_closed_by_the_server_is_an_outage(
        self, database: Database, mode: str
    ) -> None:
        async def end_itself(connection: Connection) -> None:
            await connection.fetch_val("SELECT pg_terminate_backend(pg_backend_pid())")

        with pytest.raises(UNAVAILABLE):
            await getattr(database, mode)(end_itself)
        assert database.connections[0] == 0

    async def test_lost_connection_does_not_release_another_one(
        self, fresh_database: FreshDatabase
    ) -> None:
        """The only connection of a pool is lost in use, and the pool opens another one.

        If the first unit of work released the lost connection, the third would get the second's.
        """
        url = await fresh_database("chassis", None)
        server = await asyncpg.connect(url)
        await server.execute("CREATE TABLE written (number int)")
        database = Database(url, pool_size=1)
        await database.connect()
        begun = {number: asyncio.Event() for number in (1, 2, 3)}
        may_end = {number: asyncio.Event() for number in (1, 2, 3)}

        async def lose_it(connection: Connection) -> None:
            pid = await connection.fetch_val("SELECT pg_backend_pid()")
            await server.execute("SELECT pg_terminate_backend($1)", pid)
            begun[1].set()
            await may_end[1].wait()

        def writes(number: int) -> Callable[[Connection], Awaitable[None]]:
            async def write(connection: Connection) -> None:
                await connection.execute("INSERT INTO written VALUES (:n)", {"n": number})
                begun[number].set()
                await may_end[number].wait()

            return write

        first = asyncio.ensure_future(database.read(lose_it))
        await begun[1].wait()
        second = asyncio.ensure_future(database.transaction(writes(2)))
        await begun[2].wait()
        may_end[1].set()
        await first
        third = asyncio.ensure_future(database.transaction(writes(3)))
        await asyncio.sleep(0.2)
        assert not begun[3].is_set()
        may_end[2].set()
        await second
        assert [row["number"] for row in await server.fetch("SELECT * FROM written")] == [2]
        may_end[3].set()
        await third
        await database.disconnect()
        await server.close()


class TestCancellation:
    @pytest.mark.parametrize("mode", ["transaction", "statement", "read"])
    async def test_many_cancellations_lose_no_connection(
        self, database: Database, mode: str
    ) -> None:
        storm = random.Random(7)
        run = getattr(database, mode)
        cancelled = 0
        for _ in range(40):
            tasks = [asyncio.ensure_future(run(increment)) for _ in range(2 * POOL)]
            await asyncio.sleep(storm.uniform(0, 0.02))
            for task in tasks:
                # A second cancellation meets the first one's clean-up.
                task.cancel()
                if storm.random() < 0.5:
                    await asyncio.sleep(0)
                    task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            cancelled += sum(isinstance(result, asyncio.CancelledError) for result in results)
        assert cancelled > 100
        assert database.connections[0] == 0

        # All of the pool is there: this many units of work hold a connection at the same time.
        together = asyncio.Barrier(POOL)

        async def meet(connection: Connection) -> None:
            await connection.fetch_val("SELECT 1")
            await together.wait()

        await asyncio.wait_for(asyncio.gather(*(run(meet) for _ in range(POOL))), 30)

    @pytest.mark.parametrize("mode", ["transaction", "statement"])
    async def test_cancelled_caller_waits_for_its_transaction(
        self, database: Database, mode: str
    ) -> None:
        started = asyncio.Event()

        async def work(connection: Connection) -> None:
            started.set()
            await increment(connection)

        task = asyncio.ensure_future(getattr(database, mode)(work))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await count(database) == 1

    async def test_cancelled_read_is_cancelled_at_the_server(self, database: Database) -> None:
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE :text"

        async def sleeping() -> bool:
            wanted = {"text": "SELECT pg_sleep(9)%"}
            return bool(await database.read(lambda c: c.fetch_val(asleep, wanted)))

        task = asyncio.ensure_future(database.read(lambda c: c.fetch_val("SELECT pg_sleep(9)")))
        await until(sleeping)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not await sleeping()

    async def test_failure_after_a_cancellation_is_logged(self, database: Database) -> None:
        started = asyncio.Event()

        async def work(connection: Connection) -> None:
            started.set()
            await increment(connection)
            await connection.execute("SELECT 1 / 0")

        task = asyncio.ensure_future(database.transaction(work))
        await started.wait()
        task.cancel()
        with capture_logs() as logged, pytest.raises(asyncio.CancelledError):
            await task
        assert [entry["event"] for entry in logged] == ["abandoned unit of work failed"]
        assert await count(database) == 0


class TestTransaction:
    async def test_error_rolls_back(self, database: Database) -> None:
        async def work(connection: Connection) -> None:
            await increment(connection)
            raise LookupError

        with pytest.raises(LookupError):
            await database.transaction(work)
        assert await count(database) == 0

    async def test_deadlock_is_retried(self, database: Database) -> None:
        met = asyncio.Barrier(2)
        attempts = 0

        def crossing(first: int, second: int, *, meet: bool = True) -> object:
            async def work(connection: Connection) -> None:
                nonlocal attempts
                attempts += 1
                update = "UPDATE counters SET n = n + 1 WHERE id = :id"
                await connection.execute(update, {"id": first})
                if attempts <= 2:
                    await met.wait()
                await connection.execute(update, {"id": second})

            return database.transaction(work)

        await asyncio.gather(crossing(1, 2), crossing(2, 1))  # type: ignore[call-overload]
        assert attempts == 3
        assert (await count(database, 1), await count(database, 2)) == (2, 2)

    async def test_serialisation_failure_is_retried(self, database: Database) -> None:
        async def work(connection: Connection) -> None:
            await connection.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            n = await connection.fetch_val("SELECT n FROM counters WHERE id = 1")
            await connection.execute("UPDATE counters SET n = :n WHERE id = 1", {"n": n + 1})

        await asyncio.gather(*(database.transaction(work) for _ in range(3)))
        assert await count(database) == 3

    async def test_error_does_not_quote_the_row(self, database: Database) -> None:
        await database.transaction(
            lambda c: c.execute("CREATE TABLE people (email text NOT NULL, age int NOT NULL)")
        )
        with pytest.raises(asyncpg.NotNullViolationError) as refused:
            await database.transaction(
                lambda c: c.execute("INSERT INTO people (email) VALUES ('ada@example.com')")
            )
        assert "ada@example.com" not in str(refused.value)


class TestStatement:
    async def test_statement_is_committed(self, database: Database) -> None:
        await database.statement(increment)
        assert await count(database) == 1

    async def test_second_statement_is_refused_unsent(self, database: Database) -> None:
        async def work(connection: Connection) -> None:
            await increment(connection)
            await increment(connection)

        with pytest.raises(RuntimeError, match="runs one statement"):
            await database.statement(work)
        assert await count(database) == 1

    async def test_deadlock_is_retried(self, database: Database) -> None:
        refusals = [asyncpg.DeadlockDetectedError(), asyncpg.SerializationError()]

        async def work(connection: Connection) -> None:
            if refusals:
                raise refusals.pop()
            await increment(connection)

        await database.statement(work)
        assert await count(database) == 1


class TestConnect:
    async def test_unreachable_server_is_named(self) -> None:
        port = free_ports(1)[0]
        database = Database(f"postgresql://nobody:secret@127.0.0.1:{port}/nothing")
        with pytest.raises(DatabaseUnavailableError, match=f"127.0.0.1:{port}") as error:
            await database.connect(patience=0.3)
        assert "secret" not in str(error.value)

    async def test_silent_server_is_named_with_a_reason(self) -> None:
        async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await released.wait()
            writer.close()

        released = asyncio.Event()
        server = await asyncio.start_server(say_nothing, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        database = Database(f"postgresql://nobody@127.0.0.1:{port}/x", statement_timeout=0.2)
        with pytest.raises(DatabaseUnavailableError) as error:
            await database.connect(patience=0)
        released.set()
        server.close()
        assert str(error.value) == f"PostgreSQL at 127.0.0.1:{port} does not answer: TimeoutError"

    async def test_connect_waits_for_a_starting_server(self, fresh_database: FreshDatabase) -> None:
        url = await fresh_database("chassis", None)
        host, port = url.rpartition("@")[2].partition("/")[0].split(":")
        late = free_ports(1)[0]
        database = Database(url.replace(f":{port}/", f":{late}/"))
        connecting = asyncio.ensure_future(database.connect())
        await asyncio.sleep(0.3)

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            upstream_reader, upstream_writer = await asyncio.open_connection(host, int(port))

            async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
                while data := await source.read(65536):
                    sink.write(data)
                sink.close()

            await asyncio.gather(pump(reader, upstream_writer), pump(upstream_reader, writer))

        async with await asyncio.start_server(forward, "127.0.0.1", late):
            await connecting
            await database.ping()
            await database.disconnect()
