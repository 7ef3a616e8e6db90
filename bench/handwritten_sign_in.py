"""A sign-in without GraphQL and without the auth service: Starlette, asyncpg, argon2-cffi, PyJWT.

It reads the same request, checks the same secret, verifies the same password in as many threads,
writes the same rows and signs the same claims. Its threads have normal priority.
"""

import asyncio
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from uuid import uuid4

import argon2
import jwt
import orjson
from argon2.exceptions import VerificationError
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uuid_utils.compat import uuid7

from bench import reference
from subgraphs.auth.passwords import Argon2Cost

USER = "SELECT * FROM users WHERE lower(username) = lower($1)"
# As in subgraphs/auth/repository/.
OPEN = """
    WITH opened AS (
        INSERT INTO sessions (id, user_id, scopes, user_agent, address,
                              created_at, last_used_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $6, $7)
        RETURNING id, created_at
    )
    INSERT INTO refresh_tokens (hash, session_id, created_at)
    SELECT $8, id, created_at FROM opened
"""

SCOPES = ["account:read", "account:write", "tweets:read", "tweets:write"]


def create_app(database_url: str, secret: str) -> Starlette:
    cost = Argon2Cost()
    hasher = argon2.PasswordHasher(cost.passes, cost.memory_kib, cost.lanes)
    threads = ThreadPoolExecutor(os.cpu_count() or 1)
    key = ec.generate_private_key(ec.SECP256R1())
    postgres = reference.Postgres(database_url)

    def verify(password_hash: str, password: str) -> bool:
        try:
            return hasher.verify(password_hash, password)
        except VerificationError:
            return False

    async def sign_in(request: Request) -> Response:
        if not compare_digest(request.headers.get("x-router-secret", ""), secret):
            return Response(status_code=403)
        given = orjson.loads(await request.body())["variables"]["input"]
        user = await postgres.pool.fetchrow(USER, given["login"])
        if not await asyncio.get_running_loop().run_in_executor(
            threads, verify, user["password_hash"], given["password"]
        ):
            return Response(status_code=401)
        session_id, now, refresh_token = uuid7(), datetime.now(UTC), secrets.token_urlsafe(32)
        await postgres.pool.execute(
            OPEN,
            session_id,
            user["id"],
            SCOPES,
            request.headers.get("user-agent", ""),
            request.client.host if request.client else "",
            now,
            now + timedelta(days=30),
            sha256(refresh_token.encode()).digest(),
        )
        claims = {
            "iss": "http://localhost:4000",
            "aud": "chirp",
            "sub": str(user["id"]),
            "sid": str(session_id),
            "scopes": SCOPES,
            "context": {"username": user["username"]},
            "iat": int(now.timestamp()),
            "exp": int(now.timestamp()) + 900,
            "jti": str(uuid4()),
        }
        access_token = jwt.encode(claims, key, "ES256", headers={"kid": "one"})
        answer = {"data": {"signIn": {"accessToken": access_token}}}
        return Response(orjson.dumps(answer), media_type="application/json")

    routes = [Route("/graphql", sign_in, methods=["POST"])]
    return Starlette(routes=routes, lifespan=postgres.lifespan)


def main() -> None:
    reference.serve(create_app(os.environ["AUTH_DATABASE_URL"], os.environ["ROUTER_SECRET"]))


if __name__ == "__main__":
    main()
