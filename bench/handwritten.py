"""The tweets service without GraphQL: Starlette, asyncpg and orjson, by hand.

The timeline reads the same request, checks the same secret, runs one statement and returns the same
data. The writes run the service's statements in one transaction; their events are not published.
"""

import os
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from hmac import compare_digest
from typing import Any
from uuid import UUID

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uuid_utils.compat import uuid7

from bench import reference

TIMELINE = """
    SELECT t.id, t.author_id, t.author_username, t.text, t.created_at, t.retweet_count,
           o.id AS original_id, o.author_id AS original_author_id,
           o.author_username AS original_author_username, o.text AS original_text,
           o.retweet_count AS original_retweet_count
    FROM tweets t LEFT JOIN tweets o ON o.id = t.retweet_of
    WHERE t.author_id = $1 ORDER BY t.id DESC LIMIT $2
"""

# As in subgraphs/tweets/repository/tweets.py.
CREATE = """
    WITH feed AS (
        INSERT INTO feeds (owner_id, head) VALUES ($2, 1)
        ON CONFLICT (owner_id) DO UPDATE SET head = feeds.head + 1 RETURNING owner_id, head
    )
    INSERT INTO tweets (
        id, author_id, author_username, text, created_at, feed_owner, feed_position
    )
    SELECT $1, $2, $3, $4, $5, owner_id, head FROM feed
"""
LOCK = """
    SELECT * FROM tweets WHERE id = (SELECT coalesce(retweet_of, id) FROM tweets WHERE id = $1)
    FOR UPDATE
"""
RETWEET = """
    WITH counted AS (
        UPDATE tweets SET retweet_count = retweet_count + 1
        WHERE id = $4
            AND NOT EXISTS (SELECT FROM tweets WHERE author_id = $2 AND retweet_of = $4)
        RETURNING id, author_id
    ), feed AS (
        INSERT INTO feeds (owner_id, head) SELECT author_id, 1 FROM counted WHERE author_id <> $2
        ON CONFLICT (owner_id) DO UPDATE SET head = feeds.head + 1 RETURNING owner_id, head
    )
    INSERT INTO tweets (
        id, author_id, author_username, retweet_of, created_at, feed_owner, feed_position
    )
    SELECT $1, $2, $3, counted.id, $5, owner_id, head FROM counted LEFT JOIN feed ON true
"""
EVENT = "INSERT INTO outbox (event) VALUES ($1)"


def create_app(database_url: str, secret: str) -> Starlette:
    postgres = reference.Postgres(database_url)

    async def timeline(request: Request) -> Response:
        if not compare_digest(request.headers.get("x-router-secret", ""), secret):
            return Response(status_code=403)
        user = UUID(request.headers["x-auth-user-id"])
        first = orjson.loads(await request.body())["variables"]["first"]
        rows = await postgres.pool.fetch(TIMELINE, user, first + 1)
        edges = [_edge(row) for row in rows[:first]]
        page = {
            "hasNextPage": len(rows) > first,
            "endCursor": edges[-1]["cursor"] if edges else None,
        }
        answer = {"data": {"myTweets": {"edges": edges, "pageInfo": page}}}
        return Response(orjson.dumps(answer), media_type="application/json")

    async def create(request: Request) -> Response:
        if not compare_digest(request.headers.get("x-router-secret", ""), secret):
            return Response(status_code=403)
        author = UUID(request.headers["x-auth-user-id"]), request.headers["x-auth-username"]
        text = orjson.loads(await request.body())["variables"]["text"].strip()
        tweet_id, now = uuid7(), datetime.now(UTC)
        event = {"id": str(tweet_id), "author": str(author[0]), "text": text, "time": now}
        async with postgres.pool.acquire() as connection, connection.transaction():
            await connection.execute(CREATE, tweet_id, *author, text, now)
            await connection.execute(EVENT, orjson.dumps(event).decode())
        answer = {"data": {"createTweet": {"id": str(tweet_id)}}}
        return Response(orjson.dumps(answer), media_type="application/json")

    async def retweet(request: Request) -> Response:
        if not compare_digest(request.headers.get("x-router-secret", ""), secret):
            return Response(status_code=403)
        author = UUID(request.headers["x-auth-user-id"]), request.headers["x-auth-username"]
        original = UUID(orjson.loads(await request.body())["variables"]["id"])
        tweet_id, now = uuid7(), datetime.now(UTC)
        event = {"id": str(tweet_id), "author": str(author[0]), "of": str(original), "time": now}
        async with postgres.pool.acquire() as connection, connection.transaction():
            await connection.fetchrow(LOCK, original)
            await connection.execute(RETWEET, tweet_id, *author, original, now)
            await connection.execute(EVENT, orjson.dumps(event).decode())
        answer = {"data": {"retweet": {"id": str(tweet_id)}}}
        return Response(orjson.dumps(answer), media_type="application/json")

    routes = [
        Route("/graphql", timeline, methods=["POST"]),
        Route("/create", create, methods=["POST"]),
        Route("/retweet", retweet, methods=["POST"]),
    ]
    return Starlette(routes=routes, lifespan=postgres.lifespan)


def _edge(row: Any) -> dict[str, Any]:
    tweet_id = row["id"]
    retweeted = row["original_id"]
    node = {
        "id": str(tweet_id),
        "text": row["original_text"] if retweeted else row["text"],
        "createdAt": row["created_at"],
        "retweetCount": row["original_retweet_count"] if retweeted else row["retweet_count"],
        "author": {"id": str(row["author_id"]), "username": row["author_username"]},
        "retweetOf": retweeted
        and {
            "id": str(retweeted),
            "text": row["original_text"],
            "author": {
                "id": str(row["original_author_id"]),
                "username": row["original_author_username"],
            },
        },
    }
    return {"cursor": urlsafe_b64encode(tweet_id.bytes).decode().rstrip("="), "node": node}


def main() -> None:
    reference.serve(create_app(os.environ["TWEETS_DATABASE_URL"], os.environ["ROUTER_SECRET"]))


if __name__ == "__main__":
    main()
