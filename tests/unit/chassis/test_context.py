"""The caller of an operation, read from the headers that the edge sends."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from starlette.requests import HTTPConnection

from chassis.graphql.context import RequestContext
from chassis.principal import Principal

ADA = Principal(
    user_id=UUID(int=1),
    username="ada",
    scopes=frozenset({"tweets:read"}),
    session_id=UUID(int=2),
    expires_at=datetime(2026, 11, 1, 12, tzinfo=UTC),
)


def context(*headers: tuple[str, str], principal: Principal | None = None) -> RequestContext:
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    connection = HTTPConnection({"type": "http", "headers": raw})
    return RequestContext(**RequestContext.caller(connection, principal))


class TestCaller:
    def test_principal_survives_a_round_trip_through_headers(self) -> None:
        assert context(*ADA.headers().items()).principal == ADA

    def test_each_header_changes_the_principal(self) -> None:
        context(*ADA.headers().items())
        for name, value in {
            "x-auth-user-id": str(UUID(int=3)),
            "x-auth-username": "bob",
            "x-auth-scopes": "tweets:read tweets:write",
            "x-auth-session-id": str(UUID(int=4)),
            "x-auth-expires-at": "1",
        }.items():
            changed = context(*(ADA.headers() | {name: value}).items()).principal
            assert changed is not None
            assert changed != ADA
            assert changed.headers()[name] == value

    def test_anonymous_caller_has_no_principal(self) -> None:
        anonymous = context(("x-client-address", "192.0.2.1"), ("user-agent", "caf\xe9"))
        assert anonymous.principal is None
        assert anonymous.client_address == "192.0.2.1"
        assert anonymous.user_agent == "caf\xe9"

    @pytest.mark.parametrize(
        ("sent", "read"),
        [
            ("Кафе/1 🩷".encode(), "Кафе/1 🩷"),
            (b"caf\xe9", "café"),
            (b"\xed\xa0\x80", "\xed\xa0\x80"),
            (b"", ""),
        ],
        ids=["utf-8", "latin-1", "no-character", "empty"],
    )
    def test_user_agent_is_utf_8_or_else_latin_1(self, sent: bytes, read: str) -> None:
        connection = HTTPConnection({"type": "http", "headers": [(b"user-agent", sent)]})
        assert RequestContext.caller(connection)["user_agent"] == read

    def test_mutations_before_come_from_the_gateway(self) -> None:
        assert context(("x-router-mutations", "3")).mutations_before == 3
        assert context().mutations_before == 0

    def test_given_principal_needs_no_headers(self) -> None:
        assert context(principal=ADA).principal == ADA

    def test_first_of_several_equal_headers_counts(self) -> None:
        twice = context(("x-client-address", "192.0.2.1"), ("x-client-address", "192.0.2.2"))
        assert twice.client_address == "192.0.2.1"

    def test_scopes_header_may_be_missing_or_empty(self) -> None:
        headers = replace(ADA, scopes=frozenset()).headers()
        assert headers.pop("x-auth-scopes") == ""
        for scopes in ({}, {"x-auth-scopes": ""}):
            principal = context(*(headers | scopes).items()).principal
            assert principal == replace(ADA, scopes=frozenset())

    @pytest.mark.parametrize("missing", ["x-auth-session-id", "x-auth-expires-at"])
    def test_incomplete_principal_is_an_error(self, missing: str) -> None:
        headers = ADA.headers()
        del headers[missing]
        with pytest.raises(KeyError):
            context(*headers.items())
