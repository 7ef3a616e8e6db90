"""The answers to the edge for each kind of request."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from structlog.testing import capture_logs

from chassis.errors import Refusal, TokenRefused
from chassis.principal import Principal, principal_from
from subgraphs.auth.authorize import Answer, Authorizer
from subgraphs.auth.verification import Verification


@dataclass
class FakeRevocations:
    """The ended sessions that the process knows."""

    is_current: bool = True
    ended: set[str] = field(default_factory=set)

    def has_ended(self, session_id: str) -> bool:
        return session_id in self.ended


@dataclass
class World:
    """An authorizer and everything that it asks.

    `verified` lists the tokens that were verified in full, `asked` the sessions that the database
    was asked about.
    """

    principals: dict[str, Principal] = field(default_factory=dict)
    refusals: dict[str, TokenRefused] = field(default_factory=dict)
    revocations: FakeRevocations = field(default_factory=FakeRevocations)
    live: set[UUID] = field(default_factory=set)
    verified: list[str] = field(default_factory=list)
    asked: list[UUID] = field(default_factory=list)
    database_is_away: bool = False
    recorded: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.verification = Verification(
            self.verify, self.revocations, self.live_among, cache_size=2
        )
        self.authorizer = Authorizer(self.verification, self.recorded.append)

    def token(self, name: str = "ada", *, lifetime: timedelta = timedelta(minutes=15)) -> str:
        principal = Principal(
            uuid4(), name, frozenset({"b", "a"}), uuid4(), datetime.now(UTC) + lifetime
        )
        token = f"token-of-{name}"
        self.principals[token] = principal
        self.live.add(principal.session_id)
        return token

    def verify(self, token: str) -> Principal:
        self.verified.append(token)
        if token in self.refusals:
            raise self.refusals[token]
        if token not in self.principals:
            raise TokenRefused
        return self.principals[token]

    async def live_among(self, session_ids: Collection[UUID]) -> Collection[UUID]:
        self.asked += session_ids
        if self.database_is_away:
            raise OSError
        return self.live.intersection(session_ids)

    async def get(self, authorization: str | None, method: str = "POST") -> httpx.Response:
        transport = httpx.ASGITransport(self.authorizer)
        async with httpx.AsyncClient(transport=transport, base_url="http://auth") as client:
            headers = {} if authorization is None else {"authorization": authorization}
            return await client.request(method, "/authorize/graphql", headers=headers)


@pytest.fixture
def world() -> World:
    return World()


class TestAuthorize:
    async def test_request_without_a_token_is_anonymous(self, world: World) -> None:
        answer = await world.get(None)
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("x-auth-")]

    @pytest.mark.parametrize("blank", ["", " ", " \t "])
    async def test_blank_authorization_is_anonymous(self, world: World, blank: str) -> None:
        answer = await world.get(blank)
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("x-auth-")]
        assert world.verified == []

    async def test_valid_token_becomes_the_headers_of_its_principal(self, world: World) -> None:
        answer = await world.get(f"Bearer {(token := world.token())}")
        assert answer.status_code == 200
        principal = principal_from(answer.headers)
        assert principal is not None
        expected = world.principals[token]
        assert principal.expires_at == expected.expires_at.replace(microsecond=0)
        assert principal.scopes == expected.scopes
        assert (principal.user_id, principal.session_id, principal.username) == (
            expected.user_id,
            expected.session_id,
            "ada",
        )

    @pytest.mark.asvs("7.2.1")
    @pytest.mark.parametrize(
        "credentials",
        [
            "Bearer forged",
            "Basic YTpi",
            "Bearer",
            "Bearer ",
            "Bearer \u00ff",
            "nonsense",
            "Bearer a, b",
            "Bearer " + 5000 * "a",
        ],
    )
    async def test_invalid_credentials_are_refused(self, world: World, credentials: str) -> None:
        transport = httpx.ASGITransport(world.authorizer)
        async with httpx.AsyncClient(transport=transport, base_url="http://auth") as client:
            raw = [(b"authorization", credentials.encode("latin-1"))]
            answer = await client.get("/authorize/graphql", headers=raw)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
        assert answer.headers["x-router-outcome"] == "UNAUTHENTICATED"
        (error,) = answer.json()["errors"]
        assert error["extensions"] == {"code": "UNAUTHENTICATED", "reason": Refusal.INVALID.name}

    async def test_token_is_verified_once_for_any_spelling_of_bearer(self, world: World) -> None:
        token = world.token()
        for scheme in ("Bearer ", "bearer ", "BEARER    "):
            assert (await world.get(f"{scheme}{token}")).status_code == 200
        assert world.verified == [token]
        assert world.asked == []

    @pytest.mark.asvs("9.2.1")
    async def test_cached_token_expires(self, world: World) -> None:
        token = world.token(lifetime=timedelta(seconds=-1))
        assert (await world.get(f"Bearer {token}")).status_code == 200  # as if verified in time
        answer = await world.get(f"Bearer {token}")
        assert answer.status_code == 401
        assert answer.json()["errors"][0]["extensions"]["reason"] == Refusal.EXPIRED.name

    @pytest.mark.asvs("7.4.1")
    async def test_cached_token_is_refused_after_its_session_ended(self, world: World) -> None:
        token = world.token()
        await world.get(f"Bearer {token}")
        world.revocations.ended.add(str(world.principals[token].session_id))
        answer = await world.get(f"Bearer {token}")
        assert answer.status_code == 401
        assert answer.json()["errors"][0]["extensions"]["reason"] == Refusal.SESSION_ENDED.name

    async def test_database_is_asked_each_time_while_revocations_are_not_current(
        self, world: World
    ) -> None:
        token = world.token()
        await world.get(f"Bearer {token}")
        world.revocations.is_current = False
        assert (await world.get(f"Bearer {token}")).status_code == 200
        world.live.clear()
        assert (await world.get(f"Bearer {token}")).status_code == 401
        assert len(world.asked) == 2

    async def test_answer_is_503_without_revocations_and_database(self, world: World) -> None:
        token = world.token()
        world.revocations.is_current = False
        world.database_is_away = True
        assert (await world.get(f"Bearer {token}")).status_code == 503

    async def test_oldest_token_leaves_a_full_cache(self, world: World) -> None:
        tokens = [world.token(name) for name in ("ada", "grace", "joan")]
        for token in tokens:
            await world.get(f"Bearer {token}")
        await world.get(f"Bearer {tokens[2]}")
        await world.get(f"Bearer {tokens[0]}")
        assert world.verified == [*tokens, tokens[0]]

    @pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT"])
    async def test_token_is_verified_for_every_http_method(self, world: World, method: str) -> None:
        assert (await world.get("Bearer forged", method)).status_code == 401


class TestRecord:
    async def test_every_answer_is_recorded(self, world: World) -> None:
        token, expired = world.token(), world.token("grace", lifetime=timedelta(seconds=-1))
        await world.get(f"Bearer {expired}")  # as if verified in time
        await world.get(None)
        await world.get(f"Bearer {expired}")
        await world.get("Bearer forged")
        world.revocations.ended.add(str(world.principals[token].session_id))
        await world.get(f"Bearer {token}")
        assert world.recorded == [
            Answer.ACCEPTED,
            Answer.ANONYMOUS,
            Answer.EXPIRED,
            Answer.INVALID,
            Answer.SESSION_ENDED,
        ]

    async def test_failed_verification_is_recorded_and_logged_without_the_token(
        self, world: World
    ) -> None:
        token = world.token()
        world.revocations.is_current = False
        world.database_is_away = True
        with capture_logs() as logs:
            await world.get(f"Bearer {token}")
        assert world.recorded == [Answer.UNAVAILABLE]
        assert [entry["event"] for entry in logs] == ["token verification failed"]
        assert token not in str(logs)
