"""A backfill on a real PostgreSQL, a real Valkey and over HTTP, while the owner's state changes."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from uuid import NAMESPACE_OID, uuid5

import httpx
import pytest
import uvicorn
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import Route

from chassis.backfill import (
    PATH,
    SCHEMA,
    Backfill,
    BackfillTable,
    HttpOwner,
    OwnerUnavailableError,
    Page,
    snapshot_route,
)
from chassis.backfill.runner import OUTAGES
from chassis.backfill.snapshot import LARGEST_PAGE
from chassis.consumer_groups import join
from chassis.database import Connection, Database
from chassis.events import Event
from chassis.outbox import OutboxRelay, add_to_outbox
from chassis.server import configuration
from chassis.streams import StreamConsumer
from stack.ports import free_ports
from tests.integration.chassis.conftest import STREAM, event
from tests.integration.conftest import FreshDatabase, until

SECRET = "s" * 32
GROUP = "copies"


# -- the owner -------------------------------------------------------------------------------------


async def put(owner: Database, subject: str) -> None:
    async def work(connection: Connection) -> None:
        n = await connection.fetch_val(
            """
            INSERT INTO subjects VALUES (:id, 1)
            ON CONFLICT (id) DO UPDATE SET n = abs(subjects.n) + 1 RETURNING n
            """,
            {"id": subject},
        )
        await add_to_outbox(connection, about(subject, n))

    await owner.transaction(work)


async def delete(owner: Database, subject: str) -> None:
    """A deleted subject keeps its number, negated."""

    async def work(connection: Connection) -> None:
        n = await connection.fetch_val(
            "UPDATE subjects SET n = -n WHERE id = :id AND n > 0 RETURNING n", {"id": subject}
        )
        if n is not None:
            await add_to_outbox(connection, about(subject, n))

    await owner.transaction(work)


def about(subject: str, n: int) -> Event:
    return replace(event(subject, n=n), id=uuid5(NAMESPACE_OID, f"{subject} {n}"))


async def state(database: Database, table: str) -> dict[str, int]:
    rows = await database.read(lambda c: c.fetch_all(f"SELECT id, n FROM {table} WHERE n > 0"))
    return {row["id"]: row["n"] for row in rows}


def reading(owner: Database, sizes: list[int] | None = None) -> Starlette:
    """Return an application that serves the snapshot; `sizes` gets the size of each page."""

    async def page(after: str | None, limit: int) -> Page:
        rows = await owner.read(
            lambda c: c.fetch_all(
                "SELECT id, n FROM subjects WHERE id > :after ORDER BY id LIMIT :limit",
                {"after": after or "", "limit": limit},
            )
        )
        if sizes is not None:
            sizes.append(len(rows))
        cursor = rows[-1]["id"] if len(rows) == limit else None
        return Page([about(row["id"], row["n"]).to_json() for row in rows], cursor)

    return Starlette(routes=[snapshot_route(page, SECRET)])


@asynccontextmanager
async def serving(app: Starlette, port: int | None = None) -> AsyncIterator[HttpOwner]:
    port = port or free_ports(1)[0]
    server = uvicorn.Server(configuration(app, host="127.0.0.1", port=port, sockets=False))
    task = asyncio.create_task(server._serve())
    await until(lambda: started(server))
    try:
        yield HttpOwner("owner", STREAM, f"http://127.0.0.1:{port}", SECRET)
    finally:
        server.should_exit = True
        await task


async def started(server: uvicorn.Server) -> bool:
    return server.started


@pytest.fixture
async def owner(outbox_database: Database) -> Database:
    return outbox_database


# -- the newcomer ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
async def copies_url(fresh_database: FreshDatabase) -> str:
    url = await fresh_database("copies", None)
    database = Database(url)
    await database.connect()
    for statement in (
        *SCHEMA,
        "CREATE TABLE copies (id text PRIMARY KEY, n int NOT NULL)",
        "CREATE TABLE refused (event text, reason text)",
    ):
        await database.read(lambda c, statement=statement: c.execute(statement))  # type: ignore[misc]
    await database.disconnect()
    return url


@pytest.fixture
async def copies(copies_url: str) -> AsyncIterator[Database]:
    """A database without copies."""
    database = Database(copies_url)
    await database.connect()
    await database.read(lambda c: c.execute("TRUNCATE backfills, copies, refused"))
    yield database
    await database.disconnect()


class Newcomer:
    """A process of a service that keeps a copy. Numbers grow, so it tolerates disorder."""

    def __init__(self, database: Database, redis: Redis, owner: HttpOwner) -> None:
        self._database = database
        self.backfill = Backfill(
            [owner],
            BackfillTable(database),
            join=partial(_join, redis),
            handle=self.handle,
            reject=self.reject,
            page_size=5,
        )
        self._consumer = StreamConsumer(
            redis,
            [STREAM],
            group=GROUP,
            handle=self.backfill.handle,
            reject=self.reject,
            claim_idle=0.5,
            missed=self.backfill.missed,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self._consumer.running(), self.backfill.running():
            yield

    async def handle(self, each: Event) -> None:
        if each.subject == UNLUCKY:
            raise LookupError("unlucky")
        await self._database.transaction(
            lambda c: c.execute(
                """
                INSERT INTO copies VALUES (:id, :n) ON CONFLICT (id) DO UPDATE SET n = excluded.n
                WHERE (abs(excluded.n), excluded.n < 0) > (abs(copies.n), copies.n < 0)
                """,
                {"id": each.subject, "n": each.data["n"]},
            )
        )

    async def reject(self, text: str, reason: str) -> None:
        await self._database.transaction(
            lambda c: c.execute(
                "INSERT INTO refused VALUES (:text, :reason)", {"text": text, "reason": reason}
            )
        )


async def _join(redis: Redis, stream: str) -> bool:
    return await join(redis, stream, GROUP, nothing)


async def nothing() -> None: ...


async def is_finished(copies: Database) -> bool:
    return (await BackfillTable(copies).get("owner")).finished


async def equals(owner: Database, copies: Database) -> bool:
    return await state(owner, "subjects") == await state(copies, "copies")


def relay(owner: Database, redis: Redis) -> OutboxRelay:
    """Return a relay of a release that does not know the new consumer."""
    return OutboxRelay(owner, redis, STREAM, groups=[], settle=0.0)


SUBJECTS = [f"subject {n:02}" for n in range(23)]
UNLUCKY = "subject -"


class TestBackfill:
    async def test_existing_state_is_copied(
        self, owner: Database, copies: Database, redis: Redis
    ) -> None:
        for subject in SUBJECTS:
            await put(owner, subject)
        await delete(owner, SUBJECTS[3])
        sizes: list[int] = []
        async with serving(reading(owner, sizes)) as http:
            async with Newcomer(copies, redis, http).running():
                await until(lambda: is_finished(copies))
            assert await equals(owner, copies)
            assert max(sizes) == 5

    async def test_copy_ends_as_the_owners_state_under_writes_and_kills(
        self, owner: Database, copies: Database, redis: Redis
    ) -> None:
        storm = random.Random(7)
        for subject in SUBJECTS:
            await put(owner, subject)

        async def writes() -> None:
            for _ in range(300):
                await storm.choice([put, delete])(owner, storm.choice(SUBJECTS))

        async def live(newcomer: Newcomer) -> None:
            async with newcomer.running():
                await asyncio.Event().wait()

        async with serving(reading(owner)) as http, relay(owner, redis).running():
            writing = asyncio.create_task(writes())
            while not writing.done():
                task = asyncio.create_task(live(Newcomer(copies, redis, http)))
                await asyncio.sleep(storm.uniform(0, 0.2))
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await writing
            replicas = [Newcomer(copies, redis, http) for _ in range(2)]
            async with replicas[0].running(), replicas[1].running():
                await until(lambda: is_finished(copies))
                await until(lambda: equals(owner, copies))

    async def test_unavailable_owner_does_not_block_the_stream(
        self, owner: Database, copies: Database, redis: Redis
    ) -> None:
        await put(owner, SUBJECTS[0])
        port = free_ports(1)[0]
        http = HttpOwner("owner", STREAM, f"http://127.0.0.1:{port}", SECRET)
        async with Newcomer(copies, redis, http).running(), relay(owner, redis).running():
            await until(lambda: redis.exists(STREAM))
            await put(owner, SUBJECTS[1])

            async def follows() -> bool:
                return SUBJECTS[1] in await state(copies, "copies")

            await until(follows)
            assert not await is_finished(copies)
            async with serving(reading(owner), port):
                await until(lambda: is_finished(copies))
                assert await equals(owner, copies)

    async def test_event_that_cannot_be_handled_is_rejected(
        self, owner: Database, copies: Database, redis: Redis
    ) -> None:
        await put(owner, UNLUCKY)
        await put(owner, SUBJECTS[1])
        async with serving(reading(owner)) as http, Newcomer(copies, redis, http).running():
            await until(lambda: is_finished(copies))
        assert await state(copies, "copies") == {SUBJECTS[1]: 1}
        (row,) = await copies.read(lambda c: c.fetch_all("SELECT event, reason FROM refused"))
        assert row["reason"] == "LookupError: unlucky"
        assert Event.from_json(row["event"]).subject == UNLUCKY

    async def test_finished_backfill_does_not_run_again(
        self, owner: Database, copies: Database, redis: Redis
    ) -> None:
        await put(owner, SUBJECTS[0])
        sizes: list[int] = []
        async with serving(reading(owner, sizes)) as http:
            await Newcomer(copies, redis, http).backfill.run("owner", print)
            asked = len(sizes)
            async with Newcomer(copies, redis, http).running():
                await until(lambda: redis.xinfo_consumers(STREAM, GROUP))
            await Newcomer(copies, redis, http).backfill.run("owner", print)
        assert len(sizes) == asked

    async def test_again_starts_from_the_first_page(
        self, owner: Database, copies: Database, redis: Redis
    ) -> None:
        await put(owner, SUBJECTS[0])
        async with serving(reading(owner)) as http:
            newcomer = Newcomer(copies, redis, http)
            await newcomer.backfill.run("owner", print)
            await copies.read(lambda c: c.execute("TRUNCATE copies"))
            await newcomer.backfill.again("owner")
            await newcomer.backfill.run("owner", print)
        assert await equals(owner, copies)

    async def test_destroyed_group_starts_the_backfill_again(
        self, owner: Database, copies: Database, redis: Redis
    ) -> None:
        for subject in SUBJECTS[:2]:
            await put(owner, subject)
        async with (
            serving(reading(owner)) as http,
            relay(owner, redis).running(),
            Newcomer(copies, redis, http).running(),
        ):
            await until(lambda: is_finished(copies))
            await until(lambda: redis.xinfo_groups(STREAM))
            await copies.read(lambda c: c.execute("TRUNCATE copies"))
            await redis.xgroup_destroy(STREAM, GROUP)
            await delete(owner, SUBJECTS[0])
            await put(owner, SUBJECTS[2])
            await until(lambda: equals(owner, copies))

    async def test_interrupted_backfill_continues_after_the_last_page(
        self, owner: Database, copies: Database, redis: Redis
    ) -> None:
        for subject in SUBJECTS:
            await put(owner, subject)
        async with serving(reading(owner)) as http:
            first = Newcomer(copies, redis, http).backfill
            await first._step(http)
            progress = await first.progress("owner")
            assert (progress.cursor, progress.events) == (SUBJECTS[4], 5)
            reported: list[int] = []
            second = Newcomer(copies, redis, http).backfill
            await second.run("owner", lambda progress: reported.append(progress.events))
        assert reported == [10, 15, 20, 23]


class TestOrder:
    async def test_stream_waits_while_a_page_is_applied(
        self, copies: Database, redis: Redis
    ) -> None:
        handled: list[Event] = []
        asked, answer = asyncio.Event(), asyncio.Event()

        async def handle(each: Event) -> None:
            handled.append(each)

        class Slow(HttpOwner):
            async def page(self, after: str | None, limit: int) -> Page:
                asked.set()
                await answer.wait()
                return Page([event("page").to_json()], None)

        backfill = Backfill(
            [Slow("owner", STREAM, "", "")],
            BackfillTable(copies),
            join=partial(_join, redis),
            handle=handle,
            reject=refuse,
        )
        applying = asyncio.ensure_future(backfill.run("owner", print))
        await asked.wait()
        handling = asyncio.ensure_future(backfill.handle(event("stream")))
        await until(lambda: somebody_waits_for_the_lock(copies))
        answer.set()
        await asyncio.gather(applying, handling)
        assert [each.subject for each in handled] == ["page", "stream"]

    async def test_no_event_is_applied_after_the_lock_is_lost(
        self, copies: Database, redis: Redis
    ) -> None:
        handled: list[Event] = []

        async def handle(each: Event) -> None:
            handled.append(each)
            await copies.read(
                lambda c: c.execute(
                    """
                    SELECT pg_terminate_backend(pid) FROM pg_locks
                    WHERE locktype = 'advisory' AND pid <> pg_backend_pid()
                    """
                )
            )

        class Fixed(HttpOwner):
            async def page(self, after: str | None, limit: int) -> Page:
                return Page([event(f"{n}").to_json() for n in range(2)], None)

        backfill = Backfill(
            [Fixed("owner", STREAM, "", "")],
            BackfillTable(copies),
            join=partial(_join, redis),
            handle=handle,
            reject=refuse,
        )
        with pytest.raises(OUTAGES):
            await backfill.run("owner", print)
        assert len(handled) == 1
        assert not await is_finished(copies)


async def refuse(_: str, reason: str) -> None:
    raise AssertionError(reason)


async def somebody_waits_for_the_lock(database: Database) -> bool:
    statement = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
    return bool(await database.read(lambda c: c.fetch_val(statement)))


class TestLocked:
    async def test_lock_is_free_after_many_cancellations(self, copies: Database) -> None:
        storm = random.Random(7)

        async def work(shared: bool) -> None:
            async with copies.locked("it", shared=shared):
                await asyncio.sleep(storm.uniform(0, 0.002))

        for _ in range(100):
            tasks = [asyncio.create_task(work(storm.random() < 0.5)) for _ in range(4)]
            await asyncio.sleep(storm.uniform(0, 0.004))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        async with AsyncExitStack() as stack:
            for _ in range(8):
                await stack.enter_async_context(copies.locked("it", shared=True))
        async with copies.locked("it"):
            pass
        assert copies.connections[0] == 0

    async def test_exception_rolls_the_block_back(self, copies: Database) -> None:
        with suppress(LookupError):
            async with copies.locked("it") as connection:
                await connection.execute("INSERT INTO copies VALUES ('a', 1)")
                raise LookupError
        assert await state(copies, "copies") == {}


class TestRoute:
    @pytest.fixture
    async def client(self, owner: Database) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(reading(owner))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://owner", headers={"x-router-secret": SECRET}
        ) as client:
            yield client

    async def test_response_is_a_page_of_events(
        self, client: httpx.AsyncClient, owner: Database
    ) -> None:
        for subject in SUBJECTS[:3]:
            await put(owner, subject)
        first = (await client.get(PATH, params={"limit": 2})).json()
        assert [each["subject"] for each in first["events"]] == SUBJECTS[:2]
        answer = await client.get(PATH, params={"limit": 2, "after": first["next"]})
        assert [each["subject"] for each in answer.json()["events"]] == SUBJECTS[2:3]
        assert answer.json()["next"] is None

    @pytest.mark.parametrize("secret", ["", "wrong", SECRET[:-1]])
    async def test_caller_without_the_secret_is_refused(
        self, client: httpx.AsyncClient, secret: str
    ) -> None:
        answer = await client.get(PATH, headers={"x-router-secret": secret})
        assert answer.status_code == 403

    @pytest.mark.parametrize("limit", ["0", "-1", "many", "1.5", "²", str(LARGEST_PAGE + 1)])
    async def test_invalid_limit_is_refused(self, client: httpx.AsyncClient, limit: str) -> None:
        answer = await client.get(PATH, params={"limit": limit})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["message"].startswith("limit must be")

    async def test_other_method_than_get_is_refused(self, client: httpx.AsyncClient) -> None:
        answer = await client.post(PATH)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


class TestHttpOwner:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("nonsense", "not a page"),
            ("[]", "not a page"),
            ('{"events": {}, "next": null}', "not a page"),
            ('{"events": [], "next": 1}', "not a page"),
        ],
    )
    async def test_malformed_page_is_reported(self, body: str, reason: str) -> None:
        await self.expect([Route(PATH, lambda _: PlainTextResponse(body))], reason)

    async def test_error_status_is_reported(self) -> None:
        await self.expect([], "status 404")

    async def test_redirect_does_not_get_the_secret(self) -> None:
        await self.expect([Route(PATH, lambda _: RedirectResponse("/other"))], "status 307")

    async def expect(self, routes: Sequence[Route], reason: str) -> None:
        async with serving(Starlette(routes=list(routes))) as owner:
            with pytest.raises(OwnerUnavailableError, match=reason) as raised:
                await owner.page(None, 10)
        assert SECRET not in str(raised.value)
