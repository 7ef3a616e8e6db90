"""Entities that the router can request must be resolvable."""

from typing import Annotated, NoReturn

import pytest
import strawberry
from strawberry.federation.schema_directives import Key
from strawberry.federation.types import FieldSet

from chassis.cli import run
from chassis.graphql.schema import SchemaError, SubgraphSchema, build_schema


@strawberry.federation.type(keys=["id"])
class Tweet:
    id: strawberry.ID
    likes: int

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> "Tweet":
        return cls(id=id, likes=3)


@strawberry.type
class Missing:
    message: str


LikeResult = Annotated[Tweet | Missing, strawberry.union("LikeResult")]


@strawberry.type
class Mutation:
    @strawberry.mutation
    def like(self) -> LikeResult:
        return Tweet(id=strawberry.ID("1"), likes=1)


def schema_with(entity: type, *types: type) -> SubgraphSchema:
    """Return the schema of a subgraph whose only field returns the entity."""

    @strawberry.type
    class Query:
        @strawberry.field(graphql_type=entity)
        def found(self) -> object:
            raise NotImplementedError

    return build_schema(query=Query, types=types)


def refusal(entity: type, *types: type) -> str:
    with pytest.raises(SchemaError) as refused:
        schema_with(entity, *types)
    return str(refused.value)


class TestMembership:
    def test_entity_behind_a_union_needs_types(self) -> None:
        with pytest.raises(SchemaError) as refused:
            build_schema(mutation=Mutation)
        assert str(refused.value) == (
            "the entity Tweet (@key 'id') is not part of _Entity. "
            "Add types=[Tweet] to build_schema()."
        )

    async def test_entity_in_types_is_resolved(self) -> None:
        schema = build_schema(mutation=Mutation, types=[Tweet])
        asked = '_entities(representations: [{ __typename: "Tweet", id: "7" }])'
        result = await schema.execute(f"{{ {asked} {{ ... on Tweet {{ id likes }} }} }}")
        assert result.errors is None
        assert result.data == {"_entities": [{"id": "7", "likes": 3}]}

    def test_every_problem_is_one_line(self) -> None:
        @strawberry.federation.type(keys=["id"])
        class Like:
            id: strawberry.ID
            at: int

        result = Annotated[Like | Tweet, strawberry.union("Result")]
        lines = refusal(result).splitlines()  # type: ignore[arg-type]
        assert [line.partition("(")[0] for line in lines] == [
            "the entity Like ",
            "the entity Like ",
            "the entity Tweet ",
        ]


class TestResolver:
    def test_entity_without_resolver_is_refused(self) -> None:
        @strawberry.federation.type(keys=["id"])
        class Like:
            id: strawberry.ID
            at: int

        problem = refusal(Like)
        assert "the entity Like (@key 'id') has no resolve_reference" in problem
        assert "resolve_reference(cls, id)" in problem

    def test_extended_entity_is_an_entity(self) -> None:
        @strawberry.federation.type(keys=["id"], extend=True)
        class User:
            id: strawberry.ID
            likes: int

        assert "the entity User (@key 'id') has no resolve_reference" in refusal(User)

    def test_resolver_must_take_the_key(self) -> None:
        @strawberry.federation.type(keys=["tweetId"])
        class Like:
            tweet_id: strawberry.ID
            at: int

            @classmethod
            def resolve_reference(cls, tweet_id: strawberry.ID) -> None: ...

        assert "cannot be resolved with tweetId" in refusal(Like)

    def test_resolver_must_be_a_class_method(self) -> None:
        @strawberry.federation.type(keys=["id"])
        class Like:
            id: strawberry.ID
            at: int

            def resolve_reference(self, id: strawberry.ID) -> None: ...

        assert "missing a required argument" in refusal(Like)

    def test_resolver_must_take_each_of_several_keys_alone(self) -> None:
        @strawberry.federation.type(keys=["id", "slug"])
        class Like:
            id: strawberry.ID
            slug: str

            @classmethod
            def resolve_reference(cls, id: strawberry.ID) -> None: ...

        assert "cannot be resolved with slug" in refusal(Like)

    def test_resolver_must_take_what_a_field_requires(self) -> None:
        @strawberry.federation.type(keys=["id"])
        class Parcel:
            id: strawberry.ID
            weight: int = strawberry.federation.field(external=True)

            @strawberry.federation.field(requires=["weight"])
            def price(self) -> int:
                return self.weight

            @classmethod
            def resolve_reference(cls, id: strawberry.ID) -> None: ...

        assert "cannot be resolved with id, weight" in refusal(Parcel)

    def test_context_is_an_argument_beside_the_key(self) -> None:
        @strawberry.federation.type(keys=["id"])
        class Like:
            id: strawberry.ID
            at: int

            @classmethod
            def resolve_reference(
                cls,
                info: strawberry.Info[None, None],
                id: strawberry.ID,
            ) -> None: ...

        schema_with(Like)


class TestReferences:
    """Types that only refer to an entity of another subgraph need no resolver."""

    def test_key_alone_is_a_reference(self) -> None:
        @strawberry.federation.type(keys=["id"])
        class User:
            id: strawberry.ID

        schema_with(User)

    def test_reference_behind_a_union_needs_no_types(self) -> None:
        @strawberry.federation.type(keys=["id"])
        class User:
            id: strawberry.ID

        schema_with(Annotated[User | Missing, strawberry.union("R")])  # type: ignore[arg-type]

    def test_external_fields_are_those_of_another_subgraph(self) -> None:
        @strawberry.federation.type(keys=["id"])
        class User:
            id: strawberry.ID = strawberry.federation.field(external=True)
            username: str = strawberry.federation.field(external=True)

        schema_with(User)

    def test_unresolvable_key_is_never_requested(self) -> None:
        @strawberry.federation.type(keys=[Key(fields=FieldSet("id"), resolvable=False)])
        class User:
            id: strawberry.ID
            likes: int

        schema_with(User)

    def test_second_key_can_be_requested_by_the_first(self) -> None:
        @strawberry.federation.type(keys=["id", Key(fields=FieldSet("slug"), resolvable=False)])
        class Post:
            id: strawberry.ID
            slug: str

        assert "the entity Post (@key 'id')" in refusal(Post)

    def test_nested_key_is_compared_field_by_field(self) -> None:
        @strawberry.type
        class Team:
            id: strawberry.ID

        @strawberry.type
        class NamedTeam:
            id: strawberry.ID
            name: str

        @strawberry.federation.type(keys=["number team { id }"])
        class Player:
            number: int
            team: Team

        @strawberry.federation.type(keys=["number team { id }"])
        class NamedPlayer:
            number: int
            team: NamedTeam

        schema_with(Player)
        assert "the entity NamedPlayer (@key 'number team')" in refusal(NamedPlayer)


class TestEntityInterfaces:
    """Other subgraphs know an entity interface as an object and request the type behind it."""

    def test_interface_and_its_types_must_be_resolvable(self) -> None:
        @strawberry.federation.interface(keys=["id"])
        class Media:
            id: strawberry.ID

        @strawberry.federation.type(keys=["id"])
        class Book(Media):
            pass

        problem = refusal(Media, Book)
        assert "the entity Media (@key 'id') has no resolve_reference" in problem
        assert "the entity Book (@key 'id') has no resolve_reference" in problem

    async def test_type_behind_an_interface_is_found(self) -> None:
        @strawberry.federation.interface(keys=["id"])
        class Media:
            id: strawberry.ID

            @classmethod
            def resolve_reference(cls, id: strawberry.ID) -> "Media":
                return Book(id=id)

        @strawberry.federation.type(keys=["id"])
        class Book(Media):
            pass

        schema = schema_with(Media, Book)
        asked = '_entities(representations: [{ __typename: "Media", id: "7" }])'
        result = await schema.execute(f"{{ {asked} {{ ... on Media {{ __typename }} }} }}")
        assert result.errors is None
        assert result.data == {"_entities": [{"__typename": "Book"}]}


class TestQuery:
    async def test_subgraph_of_mutations_needs_no_query(self) -> None:
        @strawberry.type
        class Mutation:
            @strawberry.mutation
            def ping(self) -> int:
                return 1

        schema = build_schema(mutation=Mutation)
        assert "type Query {\n  _service: _Service!\n}" in schema.sdl
        sdl = await schema.execute("{ _service { sdl } }")
        assert sdl.data == {"_service": {"sdl": schema.sdl}}
        pinged = await schema.execute("mutation { ping }")
        assert pinged.data == {"ping": 1}


class TestCommandLine:
    def test_schema_problem_is_printed_without_a_traceback(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def unused(*_: object) -> NoReturn:
            raise NotImplementedError

        status = run(
            "auth",
            read_settings=unused,
            create_app=unused,
            build_schema=lambda: build_schema(mutation=Mutation),
            arguments=["schema"],
        )
        assert status == 2
        assert capsys.readouterr().err == (
            "auth: the entity Tweet (@key 'id') is not part of _Entity. "
            "Add types=[Tweet] to build_schema().\n"
        )
