"""A request reads and writes nothing for a session that has ended."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import httpx
import pytest
import strawberry

from chassis.app import subgraph_app
from chassis.errors import SessionEnded
from chassis.graphql.context import RequestContext
from chassis.graphql.schema import build_schema
from chassis.graphql.view import GraphQLView
from chassis.metrics import Metrics
from chassis.principal import Principal
from chassis.sessions.client import IdentityUnavailable
from chassis.sessions.guard import require_live_session, verify_live_session
from chassis.shutdown import Shutdown
from tests.unit.chassis.known_sessions import KnownSessions

SECRET = "s" * 32
SESSION = "00000000-0000-0000-0000-000000000005"
PRINCIPAL = Principal(
    user_id=UUID(int=1),
    username="ada",
    scopes=frozenset({"write"}),
    session_id=UUID(SESSION),
    expires_at=datetime(2100, 1, 1, tzinfo=UTC),
)
SESSION_ENDED = {"code": "UNAUTHENTICATED", "reason": "SESSION_ENDED"}


class TestVerifyLive:
    async def test_session_that_is_known_to_have_ended_is_refused(self) -> None:
        for is_current in (True, False):
            known = KnownSessions(ended={SESSION}, is_current=is_current)
            with pytest.raises(SessionEnded):
                await known.guard.verify_live(SESSION)
            assert known.asked == []

    async def test_auth_is_not_asked_while_the_process_is_current(self) -> None:
        known = KnownSessions(ended_at_auth={SESSION})
        await known.guard.verify_live(SESSION)
        assert known.asked == []

    async def test_auth_is_asked_while_the_process_is_not_current(self) -> None:
        known = KnownSessions(is_current=False, ended_at_auth={"another"})
        await known.guard.verify_live(SESSION)
        assert known.asked == [SESSION]

    async def test_session_that_auth_knows_to_have_ended_is_refused(self) -> None:
        known = KnownSessions(is_current=False, ended_at_auth={SESSION})
        with pytest.raises(SessionEnded):
            await known.guard.verify_live(SESSION)

    async def test_failure_of_auth_is_raised(self) -> None:
        known = KnownSessions(is_current=False, auth_is_away=IdentityUnavailable)
        with pytest.raises(IdentityUnavailable):
            await known.guard.verify_live(SESSION)


class TestOutsideOfARequest:
    async def test_nothing_is_refused_outside_of_a_request(self) -> None:
        require_live_session()
        await verify_live_session()


Info = strawberry.Info[RequestContext, None]


@strawberry.type
class Query:
    @strawberry.field
    def me(self, info: Info) -> str:
        return info.context.require().username


class Scope(StrEnum):
    WRITE = "write"


def subgraph(known: KnownSessions) -> httpx.AsyncClient:
    @strawberry.type
    class Mutation:
        @strawberry.mutation
        def end_session(self, info: Info) -> bool:
            known.ended.add(str(info.context.require().session_id))
            return True

        @strawberry.mutation
        async def write(self, info: Info) -> bool:
            info.context.require(Scope.WRITE)
            return True

        @strawberry.mutation
        async def commit(self) -> bool:
            await verify_live_session()
            require_live_session()
            return True

    @asynccontextmanager
    async def nothing() -> AsyncIterator[None]:
        yield

    schema = build_schema(query=Query, mutation=Mutation)
    app = subgraph_app(
        GraphQLView(schema, lambda request: RequestContext(**RequestContext.caller(request))),
        router_secret=SECRET,
        sessions=known.guard,
        lifespan=nothing,
        checks={},
        shutdown=Shutdown(),
        metrics=Metrics(),
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://subgraph")


async def answer(
    document: str, known: KnownSessions, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    given = PRINCIPAL.headers() if headers is None else headers
    async with subgraph(known) as client:
        answer = await client.post(
            "/graphql", json={"query": document}, headers={"x-router-secret": SECRET, **given}
        )
    found: dict[str, Any] = answer.json()
    return found


class TestRequest:
    async def test_request_of_a_live_session_is_served(self) -> None:
        assert await answer("mutation { write commit }", KnownSessions()) == {
            "data": {"write": True, "commit": True}
        }

    @pytest.mark.parametrize("later", ["write", "commit", "endSession"])
    async def test_field_after_the_end_of_the_session_is_refused(self, later: str) -> None:
        found = await answer(f"mutation {{ endSession later: {later} }}", KnownSessions())
        assert found["data"] is None
        (error,) = found["errors"]
        assert error["path"] == ["later"]
        assert error["message"] == "The session has ended."
        assert error["extensions"] == SESSION_ENDED

    async def test_query_of_an_ended_session_is_refused(self) -> None:
        found = await answer("{ me }", KnownSessions(ended={SESSION}))
        assert [error["extensions"] for error in found["errors"]] == [SESSION_ENDED]

    async def test_anonymous_request_is_served_without_asking_auth(self) -> None:
        known = KnownSessions(is_current=False, auth_is_away=IdentityUnavailable)
        assert await answer("mutation { commit }", known, {}) == {"data": {"commit": True}}

    async def test_next_request_of_another_session_is_served(self) -> None:
        known = KnownSessions()
        await answer("mutation { endSession }", known)
        other = {**PRINCIPAL.headers(), "x-auth-session-id": str(UUID(int=6))}
        assert await answer("mutation { commit }", known, other) == {"data": {"commit": True}}

    async def test_session_is_not_bound_after_the_request(self) -> None:
        await answer("mutation { endSession }", KnownSessions())
        require_live_session()
