"""A listener on a real Valkey: when it is current, and when it says that it has read."""

import asyncio
from collections.abc import Collection
from uuid import uuid4

from redis.asyncio import Redis

from chassis.broadcast import Announcer, Listener, readers_of
from chassis.streams import connect

STREAM = "things.over"


async def nothing() -> Collection[str]:
    return []


async def test_it_is_current_only_at_the_end_of_the_stream(valkey_url: str) -> None:
    async with connect(valkey_url) as redis:
        await redis.delete(STREAM, readers_of(STREAM))
        for _ in range(5):
            async with redis.pipeline() as pipeline:
                for _ in range(600):
                    pipeline.xadd(STREAM, {"ids": "something"})
                await pipeline.execute()
        await redis.xadd(STREAM, {"ids": "the-last"})
        listener = Listener(redis, STREAM, look=nothing, remembered=60)
        async with listener.following():
            await asyncio.wait_for(listener.current(), 20)
            assert listener.has_ended("the-last")


async def test_what_it_could_not_pass_on_it_has_not_read(valkey_url: str) -> None:
    broken = True
    told: list[str] = []

    def heard(subjects: Collection[str]) -> None:
        if broken:
            raise RuntimeError
        told.extend(subjects)

    async with connect(valkey_url) as redis:
        await redis.delete(STREAM, readers_of(STREAM))
        listener = Listener(redis, STREAM, look=nothing, remembered=60, heard=heard)
        async with listener.following():
            await asyncio.wait_for(listener.current(), 20)
            subject = str(uuid4())
            await Announcer(redis, STREAM).announce([subject])
            # Waited for as long as it could have trusted itself, and no longer.
            assert not listener.is_current
            assert not await has_read(redis, listener)
            broken = False
            await asyncio.wait_for(listener.current(), 20)
            assert subject in told


async def has_read(redis: Redis, listener: Listener) -> bool:
    position = await redis.hget(readers_of(STREAM), listener._id)
    newest = await redis.xrevrange(STREAM, count=1) or []
    return str(position).endswith(str(newest[0][0]))
