"""Measure `/authorize` with many sessions, over HTTP and in process."""

import asyncio
import itertools
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from bench.load import Measured
from bench.raw_http import Requests, drive, raw_request
from bench.rounds import Effort, medians
from bench.testbed import Running, Testbed
from chassis.principal import Principal
from chassis.topology import declared
from subgraphs.auth import key_file
from subgraphs.auth.authorize import Authorizer
from subgraphs.auth.domain import Device, Session, User
from subgraphs.auth.tokens import JwtAccessTokens
from subgraphs.auth.verification import Verification

SCOPES = frozenset({"account:read", "account:write", "tweets:read", "tweets:write"})
CONNECTIONS = 32
LIFETIME = timedelta(hours=1)
LATELY = timedelta(minutes=15)
"""As many sessions have ended in this time as are open: the usual lifetime of a token."""

_USER_COLUMNS = ("id", "username", "email", "password_hash", "created_at")
_SESSION_COLUMNS = (
    *("id", "user_id", "scopes", "user_agent", "address"),
    *("created_at", "last_used_at", "expires_at"),
)
_REMEMBERED = 3600.0
_LONG = 600.0


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user with a session and its token, and the request of the edge that authorizes it."""

    user: User
    session: Session
    token: str
    request: bytes


def over_http(testbed: Testbed, effort: Effort) -> tuple[dict[int, Measured], dict[int, int]]:
    """Measure one auth service per number of sessions; return results and bytes per cached token.

    As many other sessions have ended, according to the database. The tokens are signed with the
    service's key and are in its cache. Their order is random, so processor caches do not help.
    """
    signed_in = sign_in(testbed.settings, effort.sessions[-1])
    chance = random.Random(1)  # noqa: S311  (the same order in each run)
    services: dict[int, Running] = {}
    weights: dict[int, int] = {}
    turns: dict[int, Requests] = {}
    for number, size in enumerate(effort.sessions, start=1):
        users, database = signed_in[:size], f"auth_{size}"
        given = testbed.new_database("auth", database)
        asyncio.run(store(testbed.superuser_url_of(database), users))
        auth = testbed.service("auth", number, **given, AUTH_TOKEN_CACHE_SIZE=str(size))
        before = auth.resident
        authorizations = [one.request for one in users]
        drive(auth, iter(authorizations), _LONG, CONNECTIONS)
        weights[size] = (auth.resident - before) // size
        chance.shuffle(authorizations)
        services[size], turns[size] = auth, itertools.cycle(authorizations)
    found: dict[int, list[Measured]] = {size: [] for size in services}
    for _ in range(effort.rounds):
        for size, auth in services.items():
            found[size].append(drive(auth, turns[size], effort.seconds, CONNECTIONS))
    for auth in services.values():
        testbed.end(auth)
    return {size: medians(all_) for size, all_ in found.items()}, weights


def sign_in(settings: Mapping[str, str], count: int, *, one_user: bool = False) -> list[SignedIn]:
    """Return `count` users with a session each, or one with all; they have no passwords."""
    tokens = JwtAccessTokens(
        key_file.read(Path(settings["AUTH_SIGNING_KEYS_FILE"])),
        issuer=settings["AUTH_ISSUER"],
        audience=settings.get("AUTH_AUDIENCE") or declared().project.name,
        lifetime=LIFETIME,
    )
    now = datetime.now(UTC)

    def new_user() -> User:
        name = f"user_{uuid4().hex[:12]}"
        return User(uuid4(), name, f"{name}@example.com", "", now)

    def signed_in(user: User) -> SignedIn:
        session = Session(uuid4(), user.id, SCOPES, Device("", ""), now, now, now + LIFETIME)
        token = tokens.issue(user, session, now).value
        request = raw_request("/authorize/graphql", {"authorization": f"Bearer {token}"})
        return SignedIn(user, session, token, request)

    users = count * [new_user()] if one_user else [new_user() for _ in range(count)]
    return [signed_in(user) for user in users]


async def store(url: str, signed_in: Sequence[SignedIn]) -> None:
    """Store users and sessions, and as many ended sessions, spread over LATELY."""
    now, apart = datetime.now(UTC), LATELY / len(signed_in)
    users = {
        user.id: (user.id, user.username, user.email, user.password_hash, user.created_at)
        for user in (one.user for one in signed_in)
    }
    sessions = (
        (s.id, s.user_id, list(s.scopes), "", "", s.created_at, s.last_used_at, s.expires_at)
        for s in (one.session for one in signed_in)
    )
    ended = ((uuid4(), now - number * apart) for number in range(len(signed_in)))
    connection: Any = await asyncpg.connect(url)
    try:
        await connection.copy_records_to_table(
            "users", records=users.values(), columns=_USER_COLUMNS
        )
        await connection.copy_records_to_table(
            "sessions", records=sessions, columns=_SESSION_COLUMNS
        )
        await connection.copy_records_to_table("ended_sessions", records=ended)
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()


class _Ended:
    """The revocations, as an up-to-date feed answers the authorizer."""

    is_current = True

    def __init__(self, sessions: Sequence[str]) -> None:
        self._ended = dict.fromkeys(sessions, _REMEMBERED)

    def has_ended(self, session_id: str) -> bool:
        return session_id in self._ended


def in_process(effort: Effort) -> dict[int, Measured]:
    """Measure the authorizer alone with the same requests."""
    return {size: asyncio.run(_authorize(size, effort)) for size in effort.sessions}


async def _authorize(sessions: int, effort: Effort) -> Measured:
    until = datetime.now(UTC) + LIFETIME
    ids = [uuid4() for _ in range(sessions)]
    tokens = {f"{session_id}{'x' * 560}": session_id for session_id in ids}

    def verify(token: str) -> Principal:
        return Principal(uuid4(), "user", SCOPES, tokens[token], until)

    async def live(_: Collection[UUID]) -> Collection[UUID]:
        raise AssertionError

    ended = _Ended([str(uuid4()) for _ in range(sessions)])
    authorizer = Authorizer(Verification(verify, ended, live, cache_size=sessions))

    async def send(message: Any) -> None:
        assert message.get("status", 200) == 200

    async def receive() -> Any:
        raise AssertionError

    scopes = [{"headers": [(b"authorization", f"Bearer {token}".encode())]} for token in tokens]
    for scope in scopes:
        await authorizer(scope, receive, send)
    random.Random(1).shuffle(scopes)  # noqa: S311
    took = []
    for _ in range(effort.rounds):
        turns = itertools.islice(itertools.cycle(scopes), 100_000)
        began = process_time()
        for scope in turns:
            await authorizer(scope, receive, send)
        took.append((process_time() - began) / 100_000)
    each = median(took)
    return Measured(1 / each, each * 1000, max(took) * 1000, each * 1e6)
