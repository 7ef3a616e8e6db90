"""The smallest possible live feed: sends messages of Redis channels to WebSockets.

A message on `CHANNEL` goes to every WebSocket; a message `PATH TEXT` on `CHANNEL_OF_ONE` to the
WebSockets that were opened at that path.
"""

import os
from collections import defaultdict

import uvloop
from redis.asyncio import Redis
from websockets.asyncio.server import ServerConnection, broadcast, serve

CHANNEL = "bench.echo"
CHANNEL_OF_ONE = "bench.echo.one"


async def main() -> None:
    connections: set[ServerConnection] = set()
    at: defaultdict[str, set[ServerConnection]] = defaultdict(set)

    async def keep(connection: ServerConnection) -> None:
        path = connection.request.path if connection.request else ""
        connections.add(connection)
        at[path].add(connection)
        try:
            await connection.wait_closed()
        finally:
            connections.discard(connection)
            at[path].discard(connection)

    async with (
        Redis.from_url(os.environ["REDIS_URL"]) as redis,
        redis.pubsub() as subscription,
        serve(keep, "127.0.0.1", int(os.environ["PORT"]), compression=None, backlog=4096),
    ):
        await subscription.subscribe(CHANNEL, CHANNEL_OF_ONE)
        while True:
            message = await subscription.get_message(ignore_subscribe_messages=True, timeout=60)
            if not message:
                continue
            text = message["data"].decode()
            if message["channel"].decode() == CHANNEL:
                broadcast(connections, text)
            else:
                path, _, text = text.partition(" ")
                broadcast(at[path], text)


if __name__ == "__main__":
    uvloop.run(main())
