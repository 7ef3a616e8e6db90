"""Sessions end in every process before the announcement returns, whatever happens to Valkey."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from chassis.broadcast import subscribers_key
from subgraphs.auth import revocations
from subgraphs.auth.revocations import RedisRevocationAnnouncer, RevocationFeed


@dataclass
class Ended:
    """What the database would say."""

    sessions: list[UUID] = field(default_factory=list)

    asked_since: list[datetime] = field(default_factory=list)

    async def load(self, since: datetime) -> Sequence[UUID]:
        self.asked_since.append(since)
        return self.sessions


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def process(
    valkey_url: str, load: Callable[[datetime], Awaitable[Sequence[UUID]]], **settings: float
) -> AsyncIterator[tuple[RevocationFeed, RedisRevocationAnnouncer]]:
    """The part of one auth process that this is about, with its own connections."""
    redis = Redis.from_url(valkey_url, decode_responses=True, socket_timeout=2.0)
    feed = RevocationFeed(redis, load, **{"token_lifetime": 60.0, **settings})
    async with redis, feed.following():
        await until(lambda: feed.is_current)
        yield feed, RedisRevocationAnnouncer(redis, feed)


class TestAnnounce:
    async def test_every_process_knows_when_it_returns(self, valkey_url: str, redis: Redis) -> None:
        async with AsyncExitStack() as stack:
            processes = [
                await stack.enter_async_context(process(valkey_url, Ended().load)) for _ in range(4)
            ]
            for _ in range(50):
                session_ids = [uuid4(), uuid4()]
                await processes[0][1].announce(session_ids)
                for feed, _announcer in processes:
                    assert feed.is_current
                    assert all(feed.has_ended(str(session_id)) for session_id in session_ids)

    async def test_a_process_that_stalls_is_waited_for_until_it_trusts_nothing(
        self, valkey_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with (
            process(valkey_url, Ended().load) as (_, announcer),
            process(valkey_url, Ended().load) as (stalled, _),
        ):
            # From here on the second process reads nothing more, as if it were suspended.
            asleep = asyncio.Event()

            async def stall(_: str) -> None:
                asleep.set()
                await asyncio.Event().wait()

            monkeypatch.setattr(stalled, "_read", stall)
            await asleep.wait()
            assert stalled.is_current
            session_id = uuid4()
            await announcer.announce([session_id])
            assert not stalled.is_current

    async def test_a_process_that_died_is_not_waited_for(
        self, valkey_url: str, redis: Redis
    ) -> None:
        async with process(valkey_url, Ended().load) as (feed, announcer):
            await redis.hset(subscribers_key(revocations.STREAM), "dead", "1 0-0")
            await announcer.announce([uuid4()])
            assert await redis.hkeys(subscribers_key(revocations.STREAM)) == ["since", feed._id]

    async def test_nothing_is_announced_for_nobody(self, valkey_url: str, redis: Redis) -> None:
        async with process(valkey_url, Ended().load) as (_, announcer):
            await announcer.announce([])
        assert await redis.exists(revocations.STREAM) == 0

    async def test_goes_on_when_its_caller_hangs_up(self, valkey_url: str, redis: Redis) -> None:
        async with (
            process(valkey_url, Ended().load) as (_, announcer),
            process(valkey_url, Ended().load) as (other, _),
        ):
            session_id = uuid4()
            calling = asyncio.ensure_future(announcer.announce([session_id]))
            await asyncio.sleep(0)
            calling.cancel()
            await until(lambda: other.has_ended(str(session_id)))

    async def test_whoever_cannot_publish_waits_until_the_others_have_looked_for_themselves(
        self, valkey_url: str, redis: Redis
    ) -> None:
        ended = Ended()
        cut_off = Redis.from_url("redis://127.0.0.1:1", socket_timeout=0.2)
        async with process(valkey_url, ended.load) as (other, _), cut_off:
            own = RevocationFeed(cut_off, ended.load, token_lifetime=60)
            session_id = uuid4()
            ended.sessions.append(session_id)  # as its transaction has
            await RedisRevocationAnnouncer(cut_off, own).announce([session_id])
            assert other.is_current
            assert other.has_ended(str(session_id))
            assert own.has_ended(str(session_id))

    async def test_a_burst_is_announced_without_a_connection_for_each(
        self, valkey_url: str, redis: Redis
    ) -> None:
        async with (
            process(valkey_url, Ended().load) as (_, announcer),
            process(valkey_url, Ended().load) as (other, _),
        ):
            session_ids = [uuid4() for _ in range(300)]

            async def sign_out(session_id: UUID) -> bool:
                await announcer.announce([session_id])
                return other.has_ended(str(session_id))

            assert all(await asyncio.gather(*map(sign_out, session_ids)))
            assert await redis.xlen(revocations.STREAM) <= 2

    @pytest.mark.parametrize("when", ["before", "while"])
    async def test_an_emptied_server_makes_nobody_forget(
        self, valkey_url: str, redis: Redis, when: str
    ) -> None:
        async with (
            process(valkey_url, Ended().load, reconcile_every=60) as (_, announcer),
            process(valkey_url, Ended().load, reconcile_every=60) as (other, _),
        ):
            session_id = uuid4()
            if when == "before":
                await redis.flushall()
                await announcer.announce([session_id])
            else:
                announcing = asyncio.ensure_future(announcer.announce([session_id]))
                while not await redis.exists(revocations.STREAM):
                    await asyncio.sleep(0)
                await redis.flushall()
                await announcing
            assert not other.is_current or other.has_ended(str(session_id))


class TestFollow:
    async def test_starts_with_what_the_database_knows(self, valkey_url: str, redis: Redis) -> None:
        ended = Ended([uuid4()])
        async with process(valkey_url, ended.load) as (feed, _):
            assert feed.has_ended(str(ended.sessions[0]))
            assert not feed.has_ended(str(uuid4()))

    async def test_is_not_current_before_the_database_has_answered(
        self, valkey_url: str, redis: Redis
    ) -> None:
        answered = asyncio.Event()

        async def load(_: datetime) -> Sequence[UUID]:
            await answered.wait()
            return []

        own = Redis.from_url(valkey_url, decode_responses=True)
        feed = RevocationFeed(own, load, token_lifetime=60)
        async with own, feed.following():
            await asyncio.sleep(0.1)
            assert not feed.is_current
            answered.set()
            await until(lambda: feed.is_current)

    async def test_after_a_broken_connection_it_reads_the_database_again(
        self, valkey_url: str, redis: Redis
    ) -> None:
        ended = Ended()
        async with process(valkey_url, ended.load, reconcile_every=60) as (feed, _):
            # Ended by a process that never reached Valkey, or lost with a restart of it.
            ended.sessions.append(uuid4())
            await redis.client_kill_filter(_type="normal", skipme=True)
            await until(lambda: not feed.is_current or feed.has_ended(str(ended.sessions[0])))
            await until(lambda: feed.has_ended(str(ended.sessions[0])))
            await until(lambda: feed.is_current)

    async def test_what_was_never_published_is_found_in_the_database(
        self, valkey_url: str, redis: Redis
    ) -> None:
        ended = Ended()
        async with process(valkey_url, ended.load, reconcile_every=0.05) as (feed, _):
            ended.sessions.append(uuid4())
            await until(lambda: feed.has_ended(str(ended.sessions[0])))

    async def test_looks_back_a_lifetime_once_and_then_to_before_the_last_look(
        self, valkey_url: str, redis: Redis
    ) -> None:
        ended, began = Ended(), datetime.now(UTC)
        settings = {"token_lifetime": 960, "reconcile_every": 0.05}
        async with process(valkey_url, ended.load, **settings):
            await until(lambda: len(ended.asked_since) >= 3)
        first, *others = ended.asked_since
        assert first - began < timedelta(seconds=-950)
        assert all(
            timedelta(minutes=-2) <= moment - began < timedelta(minutes=-1) for moment in others
        )

    async def test_looks_back_to_before_the_last_look_that_succeeded(
        self, valkey_url: str, redis: Redis
    ) -> None:
        asked = []

        async def load(since: datetime) -> Sequence[UUID]:
            asked.append(since)
            if len(asked) in {2, 3}:
                raise OSError
            return []

        settings = {"token_lifetime": 960, "reconcile_every": 0.05}
        async with process(valkey_url, load, **settings):
            await until(lambda: len(asked) >= 5)
        assert asked[1] == asked[2] == asked[3] < asked[4]

    async def test_a_silent_server_is_not_believed(self, redis: Redis, valkey_url: str) -> None:
        async with process(valkey_url, Ended().load) as (feed, _):
            await redis.client_pause(timeout=2500)
            await until(lambda: not feed.is_current)
            await until(lambda: feed.is_current)

    async def test_forgets_a_session_when_its_last_token_has_expired(
        self, valkey_url: str, redis: Redis
    ) -> None:
        settings = {"token_lifetime": 0.2, "reconcile_every": 0.05}
        async with process(valkey_url, Ended().load, **settings) as (feed, _):
            session_id = uuid4()
            feed.remember([str(session_id)])
            assert feed.has_ended(str(session_id))
            await until(lambda: not feed.has_ended(str(session_id)))


async def test_leaving_takes_a_process_off_the_list(valkey_url: str, redis: Redis) -> None:
    async with process(valkey_url, Ended().load):
        assert await redis.hlen(subscribers_key(revocations.STREAM)) == 2
    assert await redis.hkeys(subscribers_key(revocations.STREAM)) == ["since"]
