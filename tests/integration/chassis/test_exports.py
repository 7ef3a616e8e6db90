"""Requests for exports on Valkey are answered once, by holders of the secret, and expire."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from chassis.dead_letters import EventHandler
from chassis.events import Event, MalformedEventError
from chassis.exports.answering import USER_EXPORT_REQUESTED, answering
from chassis.exports.exchange import Exchange, RequestClosedError
from chassis.exports.records import Records
from tests.integration.conftest import until

ADA = UUID(int=0xADA)
SECRET, OTHER_SECRET = "r" * 32, "s" * 32
TEXT = "a text of ada"


def requested(export_id: UUID) -> Event:
    return Event.of_fact(
        USER_EXPORT_REQUESTED,
        export_id,
        source="/auth",
        subject=export_id,
        time=datetime.now(UTC),
        data={"exportId": str(export_id)},
    )


class Service:
    """A service that answers, and what it was asked for."""

    def __init__(self, redis: Redis, name: str = "tweets", secret: str = SECRET) -> None:
        self.exported: list[UUID] = []
        self.others: list[Event] = []
        self.handle: EventHandler = answering(
            self._export, self._handle, redis=redis, service=name, secret=secret
        )

    async def _export(self, user_id: UUID) -> AsyncGenerator[Records, None]:
        self.exported.append(user_id)
        yield Records("tweets", [{"text": TEXT, "n": len(self.exported)}])

    async def _handle(self, event: Event) -> None:
        self.others.append(event)


async def stored(redis: Redis) -> list[str]:
    return [key async for key in redis.scan_iter("*")]


@pytest.fixture
def export_id() -> UUID:
    return uuid4()


@pytest.fixture
async def exchange(redis: Redis, export_id: UUID) -> AsyncIterator[Exchange]:
    """An open request for the data of Ada."""
    exchange = Exchange(redis, SECRET, export_id)
    async with exchange.opened(ADA, ["tweets", "notifier"], 30):
        yield exchange


class TestAnswers:
    async def test_every_service_answers_once(
        self, redis: Redis, export_id: UUID, exchange: Exchange
    ) -> None:
        services = [Service(redis, name) for name in ("tweets", "notifier")]
        for service in services:
            await service.handle(requested(export_id))
        collected = await exchange.collect(["tweets", "notifier"], 5)
        assert collected.missing == {}
        assert {name: json.loads(a.text) for name, a in collected.answers.items()} == {
            name: {"tweets": [{"text": TEXT, "n": 1}]} for name in ("tweets", "notifier")
        }
        assert [service.exported for service in services] == [[ADA], [ADA]]

    async def test_repeated_event_adds_no_second_answer(
        self, redis: Redis, export_id: UUID, exchange: Exchange
    ) -> None:
        service = Service(redis)
        await asyncio.gather(*(service.handle(requested(export_id)) for _ in range(3)))
        collected = await exchange.collect(["tweets"], 5)
        assert len(json.loads(collected.answers["tweets"].text)["tweets"]) == 1

    async def test_answer_is_waited_for(
        self, redis: Redis, export_id: UUID, exchange: Exchange
    ) -> None:
        collecting = asyncio.ensure_future(exchange.collect(["tweets"], 30))
        await asyncio.sleep(0.3)
        assert not collecting.done()
        await Service(redis).handle(requested(export_id))
        assert (await collecting).answers.keys() == {"tweets"}

    async def test_service_without_an_answer_is_named(
        self, redis: Redis, export_id: UUID, exchange: Exchange
    ) -> None:
        await Service(redis).handle(requested(export_id))
        collected = await exchange.collect(["tweets", "notifier"], 0.2)
        assert collected.answers.keys() == {"tweets"}
        assert collected.missing == {"notifier": "no answer within 0.2 s"}

    async def test_other_events_are_handled_by_the_service(self, redis: Redis) -> None:
        service = Service(redis)
        event = Event.of_fact(
            "user-deleted", ADA, source="/auth", subject=ADA, time=datetime.now(UTC), data={}
        )
        await service.handle(event)
        assert (service.others, service.exported) == ([event], [])

    async def test_request_without_an_id_is_malformed(self, redis: Redis) -> None:
        event = Event.from_json(requested(uuid4()).to_json().replace("exportId", "id2"))
        with pytest.raises(MalformedEventError, match=r"data\.exportId"):
            await Service(redis).handle(event)


class TestForgery:
    async def test_event_without_a_request_is_not_answered(self, redis: Redis) -> None:
        service = Service(redis)
        await service.handle(requested(uuid4()))
        assert service.exported == []
        assert await stored(redis) == []

    async def test_request_by_another_secret_is_not_answered(self, redis: Redis) -> None:
        export_id, service = uuid4(), Service(redis)
        async with Exchange(redis, OTHER_SECRET, export_id).opened(ADA, ["tweets"], 30):
            await service.handle(requested(export_id))
            assert service.exported == []
            assert await stored(redis) == [f"user-export:{export_id}"]

    async def test_request_under_the_id_of_another_export_is_not_answered(
        self, redis: Redis, export_id: UUID, exchange: Exchange
    ) -> None:
        forged, service = uuid4(), Service(redis)
        await redis.copy(f"user-export:{export_id}", f"user-export:{forged}")
        await service.handle(requested(forged))
        assert service.exported == []

    async def test_answer_is_unreadable_without_the_secret(
        self, redis: Redis, valkey_url: str, export_id: UUID, exchange: Exchange
    ) -> None:
        await Service(redis).handle(requested(export_id))
        async with Redis.from_url(valkey_url) as raw:
            for key in await raw.keys("user-export:*"):
                value: Any = await raw.get(key)
                assert TEXT.encode() not in value
        stranger = await Exchange(redis, OTHER_SECRET, export_id).collect(["tweets"], 0)
        assert stranger.answers == {}

    async def test_forged_answer_is_refused_by_name(
        self, redis: Redis, export_id: UUID, exchange: Exchange
    ) -> None:
        await Service(redis, "notifier").handle(requested(export_id))
        # The answer of another service, under the name of tweets.
        prefix = f"user-export:{export_id}"
        await redis.rename(f"{prefix}:notifier", f"{prefix}:tweets")
        collected = await exchange.collect(["tweets"], 5)
        assert collected.answers == {}
        assert collected.missing == {"tweets": "its answer was not made with our ROUTER_SECRET"}


class TestEnd:
    async def test_nothing_is_left_behind(self, redis: Redis, export_id: UUID) -> None:
        exchange, service = Exchange(redis, SECRET, export_id), Service(redis)
        async with exchange.opened(ADA, ["tweets"], 30):
            await service.handle(requested(export_id))
            await exchange.collect(["tweets"], 5)
            await service.handle(requested(export_id))
        assert await stored(redis) == []

    async def test_event_that_comes_late_is_not_answered(
        self, redis: Redis, export_id: UUID
    ) -> None:
        exchange, service = Exchange(redis, SECRET, export_id), Service(redis)
        async with exchange.opened(ADA, ["tweets"], 30):
            pass
        await service.handle(requested(export_id))
        assert service.exported == []
        assert await stored(redis) == []

    async def test_answer_after_the_end_is_not_stored(self, redis: Redis, export_id: UUID) -> None:
        exchange = Exchange(redis, SECRET, export_id)

        async def export(_: UUID) -> AsyncGenerator[Records, None]:
            await redis.delete(f"user-export:{export_id}")
            yield Records("tweets", [{"text": TEXT}])

        async def handle(_: Event) -> None:
            raise AssertionError

        answer = answering(export, handle, redis=redis, service="tweets", secret=SECRET)
        async with exchange.opened(ADA, ["tweets"], 30):
            await answer(requested(export_id))
            assert await stored(redis) == []
            with pytest.raises(RequestClosedError):
                await exchange.user_id()

    async def test_request_of_a_killed_process_expires_with_its_answers(
        self, redis: Redis, export_id: UUID, exchange: Exchange
    ) -> None:
        await Service(redis).handle(requested(export_id))
        keys = await stored(redis)
        assert len(keys) == 2
        for key in keys:
            assert 0 < await redis.pttl(key) <= 40_000
        await redis.pexpire(f"user-export:{export_id}", 1)

        async def expired() -> bool:
            return not await redis.exists(f"user-export:{export_id}")

        await until(expired)
        later = Service(redis, "notifier")
        await later.handle(requested(export_id))
        assert later.exported == []


class TestManyRecords:
    async def test_large_answer_arrives_whole(
        self, redis: Redis, export_id: UUID, exchange: Exchange
    ) -> None:
        async def export(_: UUID) -> AsyncGenerator[Records, None]:
            for page in range(100):
                numbers = range(200 * page, 200 * page + 200)
                yield Records("tweets", [{"n": n, "text": f"{n}" * 40} for n in numbers])

        async def handle(_: Event) -> None: ...

        answer = answering(export, handle, redis=redis, service="tweets", secret=SECRET)
        await answer(requested(export_id))
        found: Any = json.loads((await exchange.collect(["tweets"], 5)).answers["tweets"].text)
        assert [record["n"] for record in found["tweets"]] == [*range(20_000)]
