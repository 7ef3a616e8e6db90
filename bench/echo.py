"""The smallest possible live feed: sends every message of a Redis channel to every WebSocket."""

import os

import uvloop
from redis.asyncio import Redis
from websockets.asyncio.server import ServerConnection, broadcast, serve

CHANNEL = "bench.echo"


async def main() -> None:
    connections: set[ServerConnection] = set()

    async def keep(connection: ServerConnection) -> None:
        connections.add(connection)
        try:
            await connection.wait_closed()
        finally:
            connections.discard(connection)

    async with (
        Redis.from_url(os.environ["REDIS_URL"]) as redis,
        redis.pubsub() as subscription,
        serve(keep, "127.0.0.1", int(os.environ["PORT"]), compression=None, backlog=4096),
    ):
        await subscription.subscribe(CHANNEL)
        while True:
            message = await subscription.get_message(ignore_subscribe_messages=True, timeout=60)
            if message:
                broadcast(connections, message["data"].decode())


if __name__ == "__main__":
    uvloop.run(main())
