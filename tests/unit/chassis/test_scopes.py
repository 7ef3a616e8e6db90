"""The scopes that a service checks are those that it declares."""

from enum import StrEnum

import pytest
import strawberry

from chassis.graphql.schema import SchemaError, build_schema
from chassis.topology import TopologyError


@strawberry.type
class Query:
    @strawberry.field
    def one(self) -> int:
        return 1


class Scope(StrEnum):
    READ = "account:read"
    WRITE = "account:write"


class Typo(StrEnum):
    READ = "account:reed"
    WRITE = "account:write"


class TestBuildSchema:
    def test_declared_scopes_are_accepted(self) -> None:
        build_schema("auth", query=Query, scopes=Scope)

    def test_difference_names_file_and_key(self) -> None:
        with pytest.raises(SchemaError) as refused:
            build_schema("auth", query=Query, scopes=Typo)
        here = "tests/unit/chassis/test_scopes.py"
        assert str(refused.value).splitlines() == [
            f'services.toml: [services.auth] scopes lacks "account:reed", which Scope in {here} '
            "checks; add it",
            f'services.toml: [services.auth] scopes has "account:read", which is no constant of '
            f"Scope in {here}; add it there",
        ]

    def test_declared_scopes_that_are_not_checked_are_refused(self) -> None:
        with pytest.raises(SchemaError, match=r"Scope in subgraphs/auth/context\.py"):
            build_schema("auth", query=Query)

    def test_service_that_is_not_declared_is_refused(self) -> None:
        with pytest.raises(TopologyError, match=r"add \[services\.guests\]"):
            build_schema("guests", query=Query, scopes=Scope)
