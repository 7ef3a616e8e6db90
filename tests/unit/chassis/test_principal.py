"""The checks of scopes, bearer tokens and the edge's secret."""

from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

import httpx
import pytest
from starlette.responses import PlainTextResponse

from chassis.errors import Forbidden, Refusal, TokenRefused, Unauthenticated
from chassis.principal import Principal, TrustedCallers, bearer_token, require

ADA = Principal(
    user_id=UUID(int=1),
    username="ada",
    scopes=frozenset({"tweets:read"}),
    session_id=UUID(int=2),
    expires_at=datetime(2026, 11, 1, 12, tzinfo=UTC),
)
SECRET = "s" * 32


class Scope(StrEnum):
    READ = "tweets:read"
    WRITE = "tweets:write"


class TestRequire:
    def test_session_with_the_scope_is_accepted(self) -> None:
        assert require(ADA, Scope.READ) is ADA
        assert require(ADA) is ADA

    def test_anonymous_request_is_unauthenticated(self) -> None:
        with pytest.raises(Unauthenticated):
            require(None)

    def test_session_without_the_scope_is_forbidden(self) -> None:
        with pytest.raises(Forbidden, match="lacks the scope tweets:write"):
            require(ADA, Scope.WRITE)


class TestBearerToken:
    @pytest.mark.parametrize("blank", [b"", b" ", b" \t "])
    def test_blank_header_has_no_token(self, blank: bytes) -> None:
        assert bearer_token(blank) is None

    @pytest.mark.parametrize(
        "credentials", [b"Bearer abc", b"bearer abc", b"BEARER   abc \t", b" Bearer abc"]
    )
    def test_token_follows_the_scheme_in_any_case(self, credentials: bytes) -> None:
        assert bearer_token(credentials) == b"abc"

    @pytest.mark.parametrize("credentials", [b"Basic YTpi", b"Bearer", b"Bearer ", b"abc"])
    def test_other_credentials_are_refused_with_the_remedy(self, credentials: bytes) -> None:
        with pytest.raises(TokenRefused) as refused:
            bearer_token(credentials)
        assert refused.value.refusal is Refusal.INVALID
        assert str(refused.value) == "Authorization must be: Bearer, a space and the access token."


class TestTrustedCallers:
    async def status(self, *secrets: str) -> int:
        app = TrustedCallers(PlainTextResponse("served"), SECRET)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://subgraph") as client:
            headers = [("x-router-secret", secret) for secret in secrets]
            return (await client.get("/graphql", headers=headers)).status_code

    async def test_request_with_the_secret_is_served(self) -> None:
        assert await self.status(SECRET) == 200

    @pytest.mark.parametrize(
        "secrets", [(), ("",), ("t" * 32,), (SECRET[:-1],), (SECRET, SECRET), ("t" * 32, SECRET)]
    )
    async def test_request_without_the_one_secret_is_forbidden(self, secrets: list[str]) -> None:
        assert await self.status(*secrets) == 403
