"""What the edge is told about each kind of request."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.principal import Principal, principal_from
from subgraphs.auth.authorize import Authorizer
from subgraphs.auth.errors import InvalidAccessToken, Refusal
from subgraphs.auth.verification import Verification


@dataclass
class FakeFeed:
    is_current: bool = True
    ended: set[str] = field(default_factory=set)

    def has_ended(self, session_id: str) -> bool:
        return session_id in self.ended


@dataclass
class World:
    """An authorizer and everything that it asks."""

    principals: dict[str, Principal] = field(default_factory=dict)
    refusals: dict[str, InvalidAccessToken] = field(default_factory=dict)
    feed: FakeFeed = field(default_factory=FakeFeed)
    live: set[UUID] = field(default_factory=set)
    verified: list[str] = field(default_factory=list)
    asked: list[UUID] = field(default_factory=list)
    database_is_away: bool = False

    def __post_init__(self) -> None:
        self.verification = Verification(self.verify, self.feed, self.live_among, cache_size=2)
        self.authorizer = Authorizer(self.verification)

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
            raise InvalidAccessToken
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
    async def test_a_request_without_a_token_is_anonymous(self, world: World) -> None:
        answer = await world.get(None)
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("x-auth-")]

    @pytest.mark.parametrize("blank", ["", " ", " \t "])
    async def test_blank_authorization_is_anonymous(self, world: World, blank: str) -> None:
        answer = await world.get(blank)
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("x-auth-")]
        assert world.verified == []

    async def test_a_good_token_becomes_headers_that_read_back(self, world: World) -> None:
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
    async def test_what_is_no_good_token_is_refused(self, world: World, credentials: str) -> None:
        transport = httpx.ASGITransport(world.authorizer)
        async with httpx.AsyncClient(transport=transport, base_url="http://auth") as client:
            raw = [(b"authorization", credentials.encode("latin-1"))]
            answer = await client.get("/authorize/graphql", headers=raw)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
        (error,) = answer.json()["errors"]
        assert error["extensions"] == {"code": "UNAUTHENTICATED", "reason": Refusal.INVALID.name}

    async def test_a_token_is_verified_once_however_the_header_is_written(
        self, world: World
    ) -> None:
        token = world.token()
        for scheme in ("Bearer ", "bearer ", "BEARER    "):
            assert (await world.get(f"{scheme}{token}")).status_code == 200
        assert world.verified == [token]
        assert world.asked == []

    async def test_a_cached_token_still_expires(self, world: World) -> None:
        token = world.token(lifetime=timedelta(seconds=-1))
        assert (await world.get(f"Bearer {token}")).status_code == 200  # as if verified in time
        answer = await world.get(f"Bearer {token}")
        assert answer.status_code == 401
        assert answer.json()["errors"][0]["extensions"]["reason"] == Refusal.EXPIRED.name

    async def test_a_cached_token_dies_with_its_session(self, world: World) -> None:
        token = world.token()
        await world.get(f"Bearer {token}")
        world.feed.ended.add(str(world.principals[token].session_id))
        answer = await world.get(f"Bearer {token}")
        assert answer.status_code == 401
        assert answer.json()["errors"][0]["extensions"]["reason"] == Refusal.SESSION_ENDED.name

    async def test_while_the_feed_is_behind_the_database_is_asked_every_time(
        self, world: World
    ) -> None:
        token = world.token()
        await world.get(f"Bearer {token}")
        world.feed.is_current = False
        assert (await world.get(f"Bearer {token}")).status_code == 200
        world.live.clear()
        assert (await world.get(f"Bearer {token}")).status_code == 401
        assert len(world.asked) == 2

    async def test_what_cannot_be_known_is_not_let_through(self, world: World) -> None:
        token = world.token()
        world.feed.is_current = False
        world.database_is_away = True
        assert (await world.get(f"Bearer {token}")).status_code == 503

    async def test_the_cache_is_bounded(self, world: World) -> None:
        tokens = [world.token(name) for name in ("ada", "grace", "joan")]
        for token in tokens:
            await world.get(f"Bearer {token}")
        await world.get(f"Bearer {tokens[2]}")
        await world.get(f"Bearer {tokens[0]}")
        assert world.verified == [*tokens, tokens[0]]

    @pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT"])
    async def test_the_method_does_not_matter(self, world: World, method: str) -> None:
        assert (await world.get("Bearer forged", method)).status_code == 401
