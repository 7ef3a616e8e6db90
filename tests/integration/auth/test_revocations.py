"""A session's end is known to every process before `announce` returns, also when Valkey fails."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from chassis.broadcast import Subscriber, subscribers_key
from chassis.sessions.revocations import STREAM
from subgraphs.auth.revocations import RedisRevocationAnnouncer, revocation_subscriber


@dataclass
class Ended:
    """The ended sessions in the database."""

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
) -> AsyncIterator[tuple[Subscriber, RedisRevocationAnnouncer]]:
    """Run the subscriber and the announcer of one auth process, with their own connections."""
    redis = Redis.from_url(valkey_url, decode_responses=True, socket_timeout=2.0)
    subscriber = revocation_subscriber(redis, load, **{"token_lifetime": 60.0, **settings})
    async with redis, subscriber.following():
        await until(lambda: subscriber.is_current)
        yield subscriber, RedisRevocationAnnouncer(redis, subscriber)


class TestAnnounce:
    async def test_every_process_knows_when_announce_returns(
        self, valkey_url: str, redis: Redis
    ) -> None:
        async with AsyncExitStack() as stack:
            processes = [
                await stack.enter_async_context(process(valkey_url, Ended().load)) for _ in range(4)
            ]
            for _ in range(50):
                session_ids = [uuid4(), uuid4()]
                await processes[0][1].announce(session_ids)
                for subscriber, _announcer in processes:
                    assert subscriber.is_current
                    assert all(subscriber.has_ended(str(session_id)) for session_id in session_ids)

    async def test_stalled_process_is_waited_for_until_its_lease_ends(
        self, valkey_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with (
            process(valkey_url, Ended().load) as (_, announcer),
            process(valkey_url, Ended().load) as (stalled, _),
        ):
            # The second process reads no more, as if it were suspended.
            suspended = asyncio.Event()

            async def stall(_: str) -> None:
                suspended.set()
                await asyncio.Event().wait()

            monkeypatch.setattr(stalled, "_read", stall)
            await suspended.wait()
            assert stalled.is_current
            session_id = uuid4()
            await announcer.announce([session_id])
            assert not stalled.is_current

    async def test_dead_process_is_not_waited_for(self, valkey_url: str, redis: Redis) -> None:
        async with process(valkey_url, Ended().load) as (subscriber, announcer):
            await redis.hset(subscribers_key(STREAM), "dead", "1 0-0")
            await announcer.announce([uuid4()])
            assert await redis.hkeys(subscribers_key(STREAM)) == ["since", subscriber._id]

    async def test_empty_announcement_writes_nothing(self, valkey_url: str, redis: Redis) -> None:
        async with process(valkey_url, Ended().load) as (_, announcer):
            await announcer.announce([])
        assert await redis.exists(STREAM) == 0

    async def test_announcement_goes_on_after_its_caller_is_cancelled(
        self, valkey_url: str, redis: Redis
    ) -> None:
        async with (
            process(valkey_url, Ended().load) as (_, announcer),
            process(valkey_url, Ended().load) as (other, _),
        ):
            session_id = uuid4()
            caller = asyncio.ensure_future(announcer.announce([session_id]))
            await asyncio.sleep(0)
            caller.cancel()
            await until(lambda: other.has_ended(str(session_id)))

    async def test_process_without_redis_answers_after_the_others_have_looked(
        self, valkey_url: str, redis: Redis
    ) -> None:
        ended = Ended()
        cut_off = Redis.from_url("redis://127.0.0.1:1", socket_timeout=0.2)
        async with process(valkey_url, ended.load) as (other, _), cut_off:
            own = revocation_subscriber(cut_off, ended.load, token_lifetime=60)
            session_id = uuid4()
            ended.sessions.append(session_id)  # as the transaction does
            await RedisRevocationAnnouncer(cut_off, own).announce([session_id])
            assert other.is_current
            assert other.has_ended(str(session_id))
            assert own.has_ended(str(session_id))

    async def test_burst_is_announced_in_two_entries(self, valkey_url: str, redis: Redis) -> None:
        async with (
            process(valkey_url, Ended().load) as (_, announcer),
            process(valkey_url, Ended().load) as (other, _),
        ):
            session_ids = [uuid4() for _ in range(300)]

            async def sign_out(session_id: UUID) -> bool:
                await announcer.announce([session_id])
                return other.has_ended(str(session_id))

            assert all(await asyncio.gather(*map(sign_out, session_ids)))
            assert await redis.xlen(STREAM) <= 2

    @pytest.mark.parametrize("when", ["before", "while"])
    async def test_session_that_valkey_lost_is_known_or_not_trusted(
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
                while not await redis.exists(STREAM):
                    await asyncio.sleep(0)
                await redis.flushall()
                await announcing
            assert not other.is_current or other.has_ended(str(session_id))


class TestFollow:
    async def test_subscriber_starts_with_the_ended_sessions_of_the_database(
        self, valkey_url: str, redis: Redis
    ) -> None:
        ended = Ended([uuid4()])
        async with process(valkey_url, ended.load) as (subscriber, _):
            assert subscriber.has_ended(str(ended.sessions[0]))
            assert not subscriber.has_ended(str(uuid4()))

    async def test_subscriber_is_not_current_before_the_database_has_answered(
        self, valkey_url: str, redis: Redis
    ) -> None:
        answered = asyncio.Event()

        async def load(_: datetime) -> Sequence[UUID]:
            await answered.wait()
            return []

        own = Redis.from_url(valkey_url, decode_responses=True)
        subscriber = revocation_subscriber(own, load, token_lifetime=60)
        async with own, subscriber.following():
            await asyncio.sleep(0.1)
            assert not subscriber.is_current
            answered.set()
            await until(lambda: subscriber.is_current)

    async def test_database_is_read_again_after_a_broken_connection(
        self, valkey_url: str, redis: Redis
    ) -> None:
        ended = Ended()
        async with process(valkey_url, ended.load, reconcile_every=60) as (subscriber, _):
            # Ended by a process that never reached Valkey, or lost when Valkey restarted.
            ended.sessions.append(uuid4())
            await redis.client_kill_filter(_type="normal", skipme=True)
            await until(
                lambda: not subscriber.is_current or subscriber.has_ended(str(ended.sessions[0]))
            )
            await until(lambda: subscriber.has_ended(str(ended.sessions[0])))
            await until(lambda: subscriber.is_current)

    async def test_unpublished_end_is_found_in_the_database(
        self, valkey_url: str, redis: Redis
    ) -> None:
        ended = Ended()
        async with process(valkey_url, ended.load, reconcile_every=0.05) as (subscriber, _):
            ended.sessions.append(uuid4())
            await until(lambda: subscriber.has_ended(str(ended.sessions[0])))

    async def test_first_look_goes_back_a_lifetime_and_later_ones_to_the_last_look(
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

    async def test_look_after_failures_goes_back_to_the_last_success(
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

    async def test_subscriber_is_not_current_while_valkey_is_silent(
        self, redis: Redis, valkey_url: str
    ) -> None:
        async with process(valkey_url, Ended().load) as (subscriber, _):
            await redis.client_pause(timeout=2500)
            await until(lambda: not subscriber.is_current)
            await until(lambda: subscriber.is_current)

    async def test_session_is_forgotten_after_its_last_token_expired(
        self, valkey_url: str, redis: Redis
    ) -> None:
        settings = {"token_lifetime": 0.2, "reconcile_every": 0.05}
        async with process(valkey_url, Ended().load, **settings) as (subscriber, _):
            session_id = uuid4()
            subscriber.remember([str(session_id)])
            assert subscriber.has_ended(str(session_id))
            await until(lambda: not subscriber.has_ended(str(session_id)))


async def test_process_that_stops_leaves_the_list_of_readers(valkey_url: str, redis: Redis) -> None:
    async with process(valkey_url, Ended().load):
        assert await redis.hlen(subscribers_key(STREAM)) == 2
    assert await redis.hkeys(subscribers_key(STREAM)) == ["since"]
