"""A subscriber on a real Valkey: when it is current, and when it acknowledges what it has read."""

import asyncio
from collections.abc import Collection
from uuid import uuid4

from redis.asyncio import Redis

from chassis.broadcast import Publisher, Subscriber, subscribers_key
from chassis.streams import connect

STREAM = "tests.broadcast"


async def nothing() -> Collection[str]:
    return []


class TestSubscriber:
    async def test_is_current_only_at_the_end_of_the_stream(self, valkey_url: str) -> None:
        async with connect(valkey_url) as redis:
            await redis.delete(STREAM, subscribers_key(STREAM))
            for _ in range(5):
                async with redis.pipeline() as pipeline:
                    for _ in range(600):
                        pipeline.xadd(STREAM, {"ids": "something"})
                    await pipeline.execute()
            await redis.xadd(STREAM, {"ids": "the-last"})
            subscriber = Subscriber(redis, STREAM, reconcile=nothing, remember_for=60)
            async with subscriber.following():
                await asyncio.wait_for(subscriber.current(), 20)
                assert subscriber.has_ended("the-last")

    async def test_entry_whose_callback_failed_is_not_acknowledged(self, valkey_url: str) -> None:
        broken = True
        received: list[str] = []

        def receive(ids: Collection[str]) -> None:
            if broken:
                raise RuntimeError
            received.extend(ids)

        async with connect(valkey_url) as redis:
            await redis.delete(STREAM, subscribers_key(STREAM))
            subscriber = Subscriber(
                redis, STREAM, reconcile=nothing, remember_for=60, on_received=receive
            )
            async with subscriber.following():
                await asyncio.wait_for(subscriber.current(), 20)
                id_ = str(uuid4())
                await Publisher(redis, STREAM).publish([id_])
                # The publisher has waited until the subscriber's lease ran out, and no longer.
                assert not subscriber.is_current
                assert not await has_acknowledged(redis, subscriber)
                broken = False
                await asyncio.wait_for(subscriber.current(), 20)
                assert id_ in received


async def has_acknowledged(redis: Redis, subscriber: Subscriber) -> bool:
    position = await redis.hget(subscribers_key(STREAM), subscriber._id)
    newest = await redis.xrevrange(STREAM, count=1) or []
    return str(position).endswith(str(newest[0][0]))
