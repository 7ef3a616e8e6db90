"""A service must check exactly the scopes that it declares."""

from enum import StrEnum

import pytest
import strawberry

from chassis.graphql.nodes import Node
from chassis.graphql.schema import SchemaError, build_schema
from chassis.topology import TopologyError


@strawberry.federation.type(keys=["id"])
class User(Node):
    pass


@strawberry.type
class Query:
    @strawberry.field
    def one(self) -> User | None:
        return None


class Scope(StrEnum):
    READ = "account:read"
    WRITE = "account:write"


class Typo(StrEnum):
    READ = "account:reed"
    WRITE = "account:write"


class TestBuildSchema:
    def test_declared_scopes_are_accepted(self) -> None:
        build_schema("auth", query=Query, scopes=Scope)

    def test_problem_names_the_file_and_the_key(self) -> None:
        with pytest.raises(SchemaError) as refused:
            build_schema("auth", query=Query, scopes=Typo)
        here = "tests/unit/chassis/test_scopes.py"
        assert str(refused.value).splitlines() == [
            f'services.toml: [services.auth] scopes lacks "account:reed", which Scope in {here} '
            "checks; add it",
            f'services.toml: [services.auth] scopes has "account:read", which is not a constant of '
            f"Scope in {here}; add it there",
        ]

    def test_declared_but_unchecked_scopes_are_refused(self) -> None:
        with pytest.raises(SchemaError, match=r"Scope in subgraphs/auth/context\.py"):
            build_schema("auth", query=Query)

    def test_undeclared_service_is_refused(self) -> None:
        with pytest.raises(TopologyError, match=r"add \[services\.guests\]"):
            build_schema("guests", query=Query, scopes=Scope)
