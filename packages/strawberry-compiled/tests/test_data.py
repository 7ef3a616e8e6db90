"""What is compiled, what is left to graphql-core, and that both give the same answer."""

import asyncio
import copy
import datetime
import gc
import random
import threading
import types
from collections.abc import AsyncIterator, Callable, Iterator
from enum import Enum
from functools import cached_property
from typing import Annotated, Any, Generic, NewType, TypeVar

import pytest
import strawberry
from graphql import GraphQLError, parse
from strawberry.dataloader import DataLoader
from strawberry.directive import DirectiveLocation, DirectiveValue
from strawberry.extensions import FieldExtension, SchemaExtension
from strawberry.federation import Schema as FederationSchema
from strawberry.permission import BasePermission
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig
from strawberry.types.field import StrawberryField

from strawberry_compiled import CompilingExecutionContext
from strawberry_compiled.documents import DOCUMENTS
from strawberry_compiled.plans import (
    CREDIT,
    REST,
    VARIANTS,
    document_plans,
    schema_plans,
)
from strawberry_compiled.testing import Executors, encoded, reported

T = TypeVar("T")
Loud = NewType("Loud", str)
PARENT: Any = strawberry.Parent[Any]  # type: ignore[misc]


def loud(value: object) -> str | None:
    if isinstance(value, Iterator):
        value = "".join(value)
    if value == "fail":
        raise ValueError("not so loud")
    return str(value).upper() or None


CONFIG = StrawberryConfig(
    scalar_map={Loud: strawberry.scalar(name="Loud", serialize=loud, parse_value=str)}
)


@strawberry.enum
class Colour(Enum):
    RED = "red"
    GREEN = strawberry.enum_value(2, name="VERT")


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Author(Named):
    age: int | None = None
    friends: "list[Author]" = strawberry.field(default_factory=list)


@strawberry.type
class Robot(Named):
    version: float = 1.0


Anyone = Annotated[Author | Robot, strawberry.union("Anyone")]


@strawberry.type
class Book:
    id: strawberry.ID = strawberry.ID("b1")
    title: str = "A book"
    pages: int = 3
    good: bool = True
    price: float | None = 1.5
    colour: Colour = Colour.RED
    motto: Loud | None = Loud("read")
    written: datetime.datetime = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    more: JSON = strawberry.field(default_factory=lambda: {"a": [1, None]})
    tags: list[str | None] = strawberry.field(default_factory=lambda: ["x", None])
    grid: list[list[int]] = strawberry.field(default_factory=lambda: [[1, 2], [], [3]])
    author: Author | None = strawberry.field(default_factory=lambda: Author(name="Ann"))
    people: list[Anyone] = strawberry.field(
        default_factory=lambda: [Author(name="Bo", age=1), Robot(name="R2")]
    )
    named: list[Named | None] = strawberry.field(
        default_factory=lambda: [Robot(name="C3"), None, Author(name="Cy")]
    )
    strict: "Book | None" = strawberry.field(default=None, name="sequel")


def query(annotation: Any) -> type:
    """Return a query type with one field, `it`, that gives the root value."""

    def it(root: Any) -> Any:
        return root

    it.__annotations__ = {"root": PARENT, "return": annotation}
    made: type = strawberry.type(type("Query", (), {"it": strawberry.field(resolver=it)}))
    return made


@pytest.fixture
def books() -> Executors:
    return Executors(query(list[Book] | None), config=CONFIG)


def shelf(**changes: Any) -> Callable[[], list[Book]]:
    return lambda: [Book(), Book(**{key: make() for key, make in changes.items()})]


class TestData:
    async def test_attributes_become_one_function(self, books: Executors) -> None:
        result = await books.same(
            "{ it { id title pages good price colour motto written more tags grid __typename } }",
            shelf(colour=lambda: Colour.GREEN, price=lambda: None, motto=lambda: None),
        )
        assert result.errors is None
        assert result.data is not None
        assert result.data["it"][1]["colour"] == "VERT"
        assert books.compiled() == {"it:[Book!]"}
        assert books.failed() == set()

    @pytest.mark.parametrize(
        "selection",
        [
            "t: title title u: title",
            "author { name } author { age } author { age friends { name } }",
            "... { title } ... on Book { pages title }",
            "__typename author { __typename t: __typename }",
            "sequel { title sequel { title } }",
            "title " * 50,
        ],
    )
    async def test_aliases_fragments_and_merged_fields_become_one_function(
        self, books: Executors, selection: str
    ) -> None:
        result = await books.same(
            f"{{ it {{ {selection} }} }}",
            shelf(strict=lambda: Book(strict=Book()), author=lambda: None),
        )
        assert result.errors is None
        assert books.compiled() == {"it:[Book!]"}

    async def test_named_fragments_become_one_function(self, books: Executors) -> None:
        result = await books.same(
            """{ it { ...F ...F author { ...G } } }
            fragment F on Book { author { ...G friends { ...G } } id }
            fragment G on Author { name ... on Named { n: name } }""",
            shelf(),
        )
        assert result.errors is None
        assert books.compiled() == {"it:[Book!]"}

    async def test_an_empty_selection_is_compiled(self, books: Executors) -> None:
        await books.same("{ it { title @skip(if: true) } }", shelf())
        assert books.compiled() == {"it:[Book!]"}

    @pytest.mark.parametrize(
        "changes",
        [
            {"title": lambda: 5},
            {"title": lambda: True, "id": lambda: 7},
            {"pages": lambda: "12", "price": lambda: 2},
            {"pages": lambda: 4.0, "good": lambda: 1},
            {"pages": lambda: True, "price": lambda: True},
            {"pages": lambda: False, "good": lambda: 0.0},
            {"colour": lambda: "red"},
            {"tags": lambda: ("a", 5)},
            {"more": lambda: 1.5},
        ],
    )
    async def test_a_value_of_another_type_is_coerced_by_its_scalar(
        self, books: Executors, changes: dict[str, Any]
    ) -> None:
        document = "{ it { title id pages price good colour tags more } }"
        assert (await books.same(document, shelf(**changes))).errors is None
        assert books.compiled() == {"it:[Book!]"}

    async def test_slots_are_read_as_attributes(self) -> None:
        @strawberry.type
        class Slotted:
            __slots__ = ("x",)
            x: int

        del Slotted.__init__

        def slotted() -> Slotted:
            thing = Slotted.__new__(Slotted)
            thing.x = 1
            return thing

        executors = Executors(query(Slotted))
        assert (await executors.same("{ it { x } }", slotted)).data == {"it": {"x": 1}}
        assert executors.compiled() == {"it:Slotted"}


class TestConditions:
    @pytest.mark.parametrize("a", [True, False])
    @pytest.mark.parametrize("b", [True, False])
    async def test_skip_and_include_by_variables_give_the_same_answer(
        self, books: Executors, a: bool, b: bool
    ) -> None:
        document = """query ($a: Boolean!, $b: Boolean! = true) { it {
            title @include(if: $a) pages @skip(if: $b) ...F @skip(if: $a)
            ... on Book @include(if: $b) { author { age @skip(if: $a) name } }
            id @skip(if: true) good @include(if: true) } }
            fragment F on Book { price colour @include(if: $b) }"""
        await books.same(document, shelf(), a=a, b=b)
        await books.same(document, shelf(), a=a)
        assert "it:[Book!]" in books.compiled()

    async def test_each_combination_of_variables_has_its_own_answer(self, books: Executors) -> None:
        document = "query ($a: Boolean!) { it { title @include(if: $a) pages @skip(if: $a) } }"
        for a in (True, False, True, False):
            await books.same(document, shelf(), a=a)

    async def test_a_null_condition_is_an_error(self, books: Executors) -> None:
        document = "query ($a: Boolean = true) { it { title @include(if: $a) } }"
        assert (await books.same(document, shelf())).errors is None
        assert (await books.same(document, shelf(), a=None)).errors
        assert (await books.same(document, shelf(), a=False)).errors is None

    async def test_combinations_beyond_the_limit_are_not_kept(self, books: Executors) -> None:
        names = [f"v{n}" for n in range(6)]
        parameters = ", ".join(f"${name}: Boolean!" for name in names)
        fields = " ".join(f"{name}: title @include(if: ${name})" for name in names)
        document = f"query ({parameters}) {{ it {{ {fields} }} }}"
        for n in range(2 ** len(names)):
            values = {name: bool(n >> place & 1) for place, name in enumerate(names)}
            await books.same(document, shelf(), **values)
        assert len(list(books.plans())) == 2 * VARIANTS


class TestAbstractTypes:
    async def test_unions_and_interfaces_of_known_classes_are_compiled(
        self, books: Executors
    ) -> None:
        result = await books.same(
            """{ it {
                people { __typename ... on Author { age friends { name } } ... on Named { name }
                         ... on Robot { version } }
                named { name __typename ... on Robot { version v: version } } } }""",
            shelf(),
        )
        assert result.errors is None
        assert books.compiled() == {"it:[Book!]"}

    async def test_a_cast_object_is_left_to_the_stock_executor(self) -> None:
        def cast() -> list[Any]:
            return [Author(name="a"), strawberry.cast(Robot, Author(name="b"))]

        for annotation in (list[Anyone], list[Named], list[Author]):
            executors = Executors(query(annotation), types=[Author, Robot])
            await executors.same("{ it { __typename ... on Named { name } } }", cast)
            assert executors.compiled() == set()

    async def test_a_custom_resolve_type_is_called(self) -> None:
        asked = []

        @strawberry.interface
        class Thing:
            x: int = 1

            @classmethod
            def resolve_type(cls, value: object, info: object, type_: object) -> str:
                asked.append(value)
                return "One"

        @strawberry.type
        class One(Thing):
            pass

        executors = Executors(query(Thing), types=[One])
        await executors.same("{ it { x __typename } }", One)
        assert len(asked) == 4
        assert "it:Thing" not in executors.compiled()

    async def test_generic_members_of_a_union_are_left_to_the_stock_executor(self) -> None:
        @strawberry.type
        class Edge(Generic[T]):
            node: T
            cursor: str = "c"

        Either = Annotated[Edge[int] | Edge[str], strawberry.union("Either")]  # noqa: N806
        executors = Executors(query(list[Either]))
        result = await executors.same(
            "{ it { ... on IntEdge { i: node } ... on StrEdge { s: node } } }",
            lambda: [Edge(node=1), Edge(node="x")],
        )
        assert result.data == {"it": [{"i": 1}, {"s": "x"}]}
        assert executors.compiled() == {"it:IntEdge", "it:StrEdge"}
        OneOfThem = Annotated[Edge[int] | Author, strawberry.union("OneOfThem")]  # noqa: N806
        executors = Executors(query(list[OneOfThem | None]))
        await executors.same(
            "{ it { ... on IntEdge { node } } }",
            lambda: [Edge(node=1), Edge(node="5"), Author(name="a")],
        )
        executors = Executors(query(list[Edge[Author]]))
        await executors.same(
            "{ it { cursor node { name } } }", lambda: [Edge(node=Author(name="a"))]
        )
        assert executors.compiled() == {"it:[AuthorEdge!]"}


class TestCode:
    """Fields and types that may run code of the application are left to the stock executor."""

    async def check(self, type_: Any, **options: Any) -> Executors:
        executors = Executors(query(type_), **options)
        result = await executors.same("{ it { x } }", type_)
        assert result.errors is None
        assert executors.compiled() == set()
        assert executors.failed() == set()
        return executors

    async def test_a_resolver_is_not_data(self) -> None:
        @strawberry.type
        class It:
            @strawberry.field
            def x(self) -> int:
                return 1

        await self.check(It)

    async def test_a_field_with_arguments_is_not_data(self) -> None:
        @strawberry.type
        class It:
            @strawberry.field
            async def x(self, a: int = 1) -> int:
                return a

        await self.check(It)

    async def test_a_field_with_a_permission_is_not_data(self) -> None:
        class Yes(BasePermission):
            def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
                return True

        @strawberry.type
        class It:
            x: int = strawberry.field(default=1, permission_classes=[Yes])

        await self.check(It)

    async def test_a_field_with_an_extension_is_not_data(self) -> None:
        class Double(FieldExtension):
            def resolve(self, next_: Any, source: Any, info: Any, **kwargs: Any) -> Any:
                return 2 * next_(source, info, **kwargs)

        @strawberry.type
        class It:
            x: int = strawberry.field(default=1, extensions=[Double()])

        await self.check(It)

    async def test_a_field_with_a_custom_get_result_is_not_data(self) -> None:
        class Negative(StrawberryField):
            def get_result(self, source: Any, info: Any, args: Any, kwargs: Any) -> Any:
                return -source.x

        @strawberry.type
        class It:
            x: int = Negative(default=1)  # type: ignore[assignment]

        await self.check(It)

    async def test_a_custom_default_resolver_is_called(self) -> None:
        @strawberry.type
        class It:
            x: int = 1

        config = StrawberryConfig(default_resolver=lambda source, name: getattr(source, name) + 1)
        await self.check(It, config=config)

    async def test_a_property_is_not_data(self) -> None:
        @strawberry.type
        class It:
            x: int = 1

        read = []

        def x(self: It) -> int:
            read.append(self)
            return 5

        It.x = property(x, lambda self, value: None)  # type: ignore[assignment]
        await self.check(It)
        assert len(read) == 4

    async def test_a_cached_property_is_not_data(self) -> None:
        @strawberry.type
        class Base:
            x: int = 1

        @strawberry.type
        class It(Base):
            def __init__(self) -> None:
                pass

        It.x = cached_property(lambda self: 5)  # type: ignore[assignment]
        It.x.__set_name__(It, "x")  # type: ignore[attr-defined]
        await self.check(It)

    @pytest.mark.parametrize("hook", ["__getattr__", "__getattribute__"])
    async def test_a_class_that_computes_attributes_is_not_data(self, hook: str) -> None:
        @strawberry.type
        class It:
            x: int = 1

        setattr(It, hook, lambda self, name: object.__getattribute__(self, name))
        await self.check(It)

    async def test_a_custom_is_type_of_is_called(self) -> None:
        asked = []

        @strawberry.type
        class It:
            x: int = 1

            @classmethod
            def is_type_of(cls, value: object, info: object) -> bool:
                asked.append(value)
                return True

        executors = Executors(query(It))
        assert (await executors.same("{ it { x } }", It)).errors is None
        assert len(asked) == 4
        assert executors.compiled() == {"x:It"}

    async def test_an_exception_that_is_a_type_is_raised(self) -> None:
        @strawberry.type
        class Failure(Exception):
            x: int = 1

        @strawberry.type
        class Holder:
            failure: Failure | None

        executors = Executors(query(Holder))
        result = await executors.same("{ it { failure { x } } }", lambda: Holder(failure=Failure()))
        assert result.errors
        assert executors.compiled() == set()

    async def test_an_extension_with_a_resolve_hook_sees_every_field(
        self, books: Executors
    ) -> None:
        seen: list[str] = []

        class Watch(SchemaExtension):
            def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
                seen.append(info.field_name)
                return _next(root, info, *args, **kwargs)

        executors = Executors(query(list[Book] | None), config=CONFIG, extensions=(Watch,))
        await executors.same("{ it { title author { name } } }", shelf())
        assert sorted(seen) == sorted(4 * ["it", *2 * ["title", "author", "name"]])
        assert list(executors.plans()) == []

    async def test_a_directive_of_the_schema_is_applied(self) -> None:
        @strawberry.directive(locations=[DirectiveLocation.FIELD])
        def upper(value: DirectiveValue[str]) -> str:
            return value.upper()

        executors = Executors(query(Author), directives=[upper])
        result = await executors.same("{ it { name @upper } }", lambda: Author(name="ann"))
        assert result.data == {"it": {"name": "ANN"}}
        assert list(executors.plans()) == []

    async def test_introspection_gives_the_same_answer(self, books: Executors) -> None:
        await books.same(
            '{ __typename __schema { queryType { name } } __type(name: "Book") { '
            "fields { name type { name } } } it { title } }",
            shelf(),
        )
        assert books.compiled() == {"it:[Book!]", "__typename:Query"}


class TestUnexpected:
    """Values for which a plan gives up: the stock executor completes them, errors included."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"title": lambda: None},
            {"title": lambda: RuntimeError("as a value")},
            {"title": lambda: {"no": "text"}},
            {"title": lambda: object()},
            {"pages": lambda: 2**31},
            {"pages": lambda: -(2**31) - 1},
            {"motto": lambda: "fail"},
            {"price": lambda: float("nan")},
            {"good": lambda: "yes"},
            {"colour": lambda: "no colour"},
            {"motto": lambda: ""},
            {"motto": lambda: ValueError("x")},
            {"written": lambda: "yesterday"},
            {"tags": lambda: None},
            {"tags": lambda: "letters"},
            {"tags": lambda: ["a", ValueError("b"), "c"]},
            {"tags": lambda: {"a": 1}},
            {"tags": lambda: {"one"}},
            {"tags": lambda: (str(n) for n in range(3))},
            {"tags": lambda: ["a", asyncio.sleep(0, "later")]},
            {"grid": lambda: [[1], None]},
            {"grid": lambda: [[1], ["x"]]},
            {"grid": lambda: [[1], iter([2])]},
            {"author": lambda: Robot(name="R")},
            {"author": lambda: "nobody"},
            {"author": lambda: Author(name=None)},  # type: ignore[arg-type]
            {"author": lambda: Author(name="A", friends=[Author(name=None)])},  # type: ignore[arg-type]
            {"author": lambda: asyncio.sleep(0, Author(name="later"))},
            {"author": lambda: failing()},
            {"author": lambda: type("Sub", (Author,), {})(name="sub")},
            {"author": lambda: Author.__new__(Author)},
            {"people": lambda: [Book()]},
            {"people": lambda: [None]},
            {"people": lambda: [{"name": "x"}]},
            {"named": lambda: [Author(name="a"), KeyError("b"), Robot(name="c")]},
            {"strict": lambda: Book(title=None), "title": lambda: None},  # type: ignore[arg-type]
        ],
    )
    async def test_unexpected_values_give_the_same_answer(
        self, books: Executors, changes: dict[str, Any]
    ) -> None:
        await books.same(
            """{ it { title pages price good colour motto written tags grid
            author { name age friends { name } } people { ... on Named { name } }
            named { name } sequel { title } } }""",
            shelf(**changes),
        )
        assert books.failed() == {"it:[Book!]"}

    @pytest.mark.parametrize("value", [None, [], (), "text", 5, {}, RuntimeError("it")])
    async def test_any_value_at_the_root_gives_the_same_answer(
        self, books: Executors, value: object
    ) -> None:
        await books.same("{ it { title } }", lambda: value)

    async def test_a_generator_is_read_once(self, books: Executors) -> None:
        result = await books.same(
            "{ it { tags people { ... on Named { name } } } }",
            shelf(tags=lambda: (t for t in "ab"), people=lambda: iter([Author(name="x")])),
        )
        assert result.errors is None

    async def test_a_serializer_gets_no_value_that_it_could_use_up(self, books: Executors) -> None:
        result = await books.same(
            "{ it { motto price } }",
            shelf(motto=lambda: iter("once"), price=lambda: ValueError("after it")),
        )
        assert result.data is not None
        assert result.data["it"][1] == {"motto": "ONCE", "price": None}

    async def test_a_plan_that_keeps_failing_rests_and_is_tried_again(
        self, books: Executors
    ) -> None:
        document, sound, wrong = "{ it { title } }", shelf(), shelf(title=lambda: None)
        for _ in range(CREDIT):
            await books.same(document, wrong)
        (plan,) = [plan for plan in books.plans() if plan.run and "[" in str(plan.keeps[0])]
        assert plan.credit < 0
        assert "it:Book" in {f"it:{plan.keeps[0]}" for plan in books.plans()}
        await books.same(document, sound)
        assert plan.credit < 0
        for _ in range(REST):
            await books.compiling.execute(document, root_value=sound())
        assert plan.credit == CREDIT

    async def test_error_propagation_can_be_switched_off(self, books: Executors) -> None:
        for changes in ({}, {"title": lambda: None}):
            await books.same(
                "query @experimental_disableErrorPropagation { it { title } }", shelf(**changes)
            )


async def failing() -> None:
    raise RuntimeError("awaited")


class TestDataBesideResolvers:
    async def test_the_values_of_resolvers_and_the_data_beside_them_are_compiled(self) -> None:
        batches: list[list[int]] = []

        async def load(keys: list[int]) -> list[Author]:
            batches.append(keys)
            return [Author(name=f"a{key}", friends=[Author(name="f")]) for key in keys]

        @strawberry.type
        class Page:
            number: int
            note: Author

            @strawberry.field
            async def writer(self, info: strawberry.Info) -> Author:
                author: Author = await info.context["loader"].load(self.number)
                return author

            @strawberry.field
            def double(self) -> int:
                self.number += 100
                return self.number

        def pages() -> list[Page]:
            return [Page(number=n, note=Author(name="n")) for n in range(5)]

        document = (
            "{ it { before: number writer { name friends { name } } double number note { age } } }"
        )
        executors = Executors(query(list[Page]))
        answers = set()
        for schema in (executors.stock, *3 * (executors.compiling,)):
            result = await schema.execute(
                document, root_value=pages(), context_value={"loader": DataLoader(load)}
            )
            assert result.errors is None
            answers.add(encoded(result.data))
        assert len(answers) == 1
        assert '"before": 0' in answers.pop()
        assert batches == 4 * [[100, 101, 102, 103, 104]]
        assert executors.compiled() == {
            "writer:Author",
            "number:Page",
            "note:Page",
        }

    async def test_mutations_run_serially(self) -> None:
        state = {"n": 0}

        @strawberry.type
        class Mutation:
            @strawberry.mutation
            async def add(self) -> Author:
                await asyncio.sleep(0)
                state["n"] += 1
                return Author(name=str(state["n"]))

        executors = Executors(query(int | None), mutation=Mutation)
        answers = []
        for schema in (executors.stock, *3 * (executors.compiling,)):
            state["n"] = 0
            answers.append(
                (await schema.execute("mutation { a: add { name } b: add { name } }")).data
            )
        assert answers == 4 * [{"a": {"name": "1"}, "b": {"name": "2"}}]
        assert executors.compiled() == {"add:Author"}

    async def test_a_connection_is_one_function(self) -> None:
        @strawberry.type
        class Edge(Generic[T]):
            node: T
            cursor: str

        @strawberry.type
        class PageInfo:
            end_cursor: str | None

        @strawberry.type
        class Connection(Generic[T]):
            edges: list[Edge[T]]
            page_info: PageInfo

        executors = Executors(query(Connection[Author]))
        await executors.same(
            "{ it { edges { cursor node { name } } pageInfo { endCursor } } }",
            lambda: Connection(
                edges=[Edge(node=Author(name=n), cursor=n) for n in "abc"],
                page_info=PageInfo(end_cursor="c"),
            ),
        )
        assert executors.compiled() == {"it:AuthorConnection"}


class TestIncrementalDelivery:
    @pytest.mark.parametrize(
        "document",
        [
            "{ it { title ... @defer { author { name } pages } people { __typename } } }",
            '{ it { title author { name ... @defer(label: "l") { age friends { name } } } } }',
            "{ it { title } ... @defer { it { title author { name } } } }",
            "{ it { ...F ...F @defer author { name } } } fragment F on Book { author { age } id }",
            "query ($d: Boolean!) { it { title ... @defer(if: $d) { pages } } }",
            "{ it @stream(initialCount: 1) { title author { name } } }",
            "{ it { title tags @stream(initialCount: 1) } }",
        ],
    )
    @pytest.mark.parametrize("wrong", [False, True])
    async def test_the_payloads_are_the_same(self, document: str, wrong: bool) -> None:
        config = StrawberryConfig(
            scalar_map=CONFIG.scalar_map, enable_experimental_incremental_execution=True
        )
        executors = Executors(query(list[Book] | None), config=config)
        changes: dict[str, Any] = {"author": lambda: Author(name=None)} if wrong else {}  # type: ignore[arg-type]

        async def frames(schema: Any, deferred: bool) -> list[str]:
            variables = {"d": deferred} if "$d" in document else {}
            stream = await schema.stream(
                document, root_value=shelf(**changes)(), variable_values=variables
            )
            return [
                encoded(getattr(frame, "formatted", None) or [frame.data, reported(frame.errors)])
                async for frame in stream
            ]

        for deferred in (False, True, False):
            expected = await frames(executors.stock, deferred)
            for _ in range(3):
                assert await frames(executors.compiling, deferred) == expected


class TestSubscriptions:
    async def test_events_are_compiled_from_the_second_on(self) -> None:
        @strawberry.type
        class Subscription:
            @strawberry.subscription
            async def books(self) -> AsyncIterator[Book]:
                for title in ("one", None, "three", "four"):
                    yield Book(title=title)  # type: ignore[arg-type]

        executors = Executors(query(int | None), subscription=Subscription, config=CONFIG)
        answers = []
        for schema in (executors.stock, executors.compiling):
            stream = await schema.subscribe("subscription { books { title author { name } } }")
            answers.append([(encoded(r.data), reported(r.errors)) async for r in stream])
        assert answers[0] == answers[1]
        assert len(answers[0]) == 4
        # The second event is compiled, although the document is executed only once.
        assert executors.compiled() == {"books:Book"}


class TestEntities:
    async def test_entities_are_compiled_and_errors_are_the_same(self) -> None:
        @strawberry.federation.type(keys=["id"])
        class Product:
            id: strawberry.ID
            name: str | None = None

            @classmethod
            async def resolve_reference(cls, id: strawberry.ID) -> "Product | None":
                await asyncio.sleep(0)
                if id == "fail":
                    raise GraphQLError("no")
                return cls(id=id, name="p") if id != "none" else None

        executors = Executors(query(Product | None), build=FederationSchema, types=[Product])
        document = """query ($r: [_Any!]!) { _entities(representations: $r) {
            __typename ... on Product { id name } } }"""
        ids = ["1", "none", "fail", "2"]
        answers = []
        for schema in (executors.stock, *3 * (executors.compiling,)):
            result = await schema.execute(
                document,
                variable_values={"r": [{"__typename": "Product", "id": i} for i in ids]},
            )
            answers.append((encoded(result.data), reported(result.errors)))
        assert answers == 4 * answers[:1]
        assert "_entities:_Entity" in executors.compiled()


class TestPlans:
    async def test_a_document_is_compiled_at_its_second_execution(self, books: Executors) -> None:
        for known in (0, 2, 2):
            await books.compiling.execute("{ it { id } }", root_value=shelf()())
            assert len(list(books.plans())) == known

    async def test_documents_that_differ_have_plans_of_their_own(self, books: Executors) -> None:
        other = Executors(query(list[Book] | None), config=CONFIG)
        schemas = [executors.compiling._schema for executors in (books, other)]
        documents = [parse("{ it { id } }"), parse("{ it { id  } }")]
        plans = [document_plans(schema, d) for schema in schemas for d in documents]
        assert len({id(p) for p in plans}) == 4
        assert [document_plans(s, d) for s in schemas for d in documents] == plans

    async def test_equal_documents_share_plans(self, books: Executors) -> None:
        schema = books.compiling._schema
        one, equal = parse("{ it { id } }"), parse("{ it { id } }")
        assert document_plans(schema, one) is document_plans(schema, equal)

    async def test_a_copy_of_a_schema_starts_without_plans(self, books: Executors) -> None:
        schema = books.compiling._schema
        schema_plans(schema)
        await books.same("{ it { id } }", shelf())
        for twin in (copy.copy(schema), type(schema)(**schema.to_kwargs())):
            assert schema_plans(twin) is not schema_plans(schema)
            assert len(schema_plans(twin)) == 0
        assert len(copy.deepcopy(schema_plans(schema))) == 0

    async def test_plans_live_as_long_as_their_document(self, books: Executors) -> None:
        plans = schema_plans(books.compiling._schema)
        document = parse("{ it { id } }", no_location=True)
        document_plans(books.compiling._schema, document)
        assert len(plans) == 1
        del document
        gc.collect()
        assert len(plans) == 0

    async def test_the_number_of_documents_is_bounded(self, books: Executors) -> None:
        plans = schema_plans(books.compiling._schema)
        documents = [parse(f"{{ it {{ a{n}: id }} }}") for n in range(DOCUMENTS + 50)]
        first = document_plans(books.compiling._schema, documents[0])
        for document in documents:
            document_plans(books.compiling._schema, document)
            document_plans(books.compiling._schema, documents[0])
        assert len(plans) == DOCUMENTS
        assert document_plans(books.compiling._schema, documents[0]) is first

    async def test_fragments_that_double_are_left_to_the_stock_executor(self) -> None:
        executors = Executors(query(list[Author]))

        def half(alias: str, n: int) -> str:
            return f"{alias}: friends {{ ...F{n + 1} }}"

        doubling = " ".join(
            f"fragment F{n} on Author {{ {half('a', n)} {half('b', n)} }}" for n in range(12)
        )
        await executors.same(
            f"{{ it {{ ...F0 }} }} {doubling} fragment F12 on Author {{ name }}",
            lambda: [Author(name="a", friends=[Author(name="b", friends=[Author(name="c")])])],
        )
        assert "it:[Author!]" not in executors.compiled()
        assert len(list(executors.plans())) < 100

    async def test_lists_nested_deeper_than_python_nests_loops_give_the_same_answer(self) -> None:
        annotation: Any = int
        value: Any = 1
        for _ in range(25):
            annotation, value = types.GenericAlias(list, annotation), [value]
        executors = Executors(query(annotation))
        assert (await executors.same("{ it }", lambda: value)).errors is None

    async def test_fields_merge_by_the_type_of_the_object(self) -> None:
        document = """{ it { ... on Author { friends { name } } ... on Named { name }
            ...F ...G } } fragment F on Author { friends { age } }
            fragment G on Named { ... on Author { friends { friends { name } } } }"""
        executors = Executors(query(list[Anyone]))
        await executors.same(
            document, lambda: [Author(name="a", friends=[Author(name="b")]), Robot(name="c")]
        )
        assert executors.compiled() == {"it:[Anyone!]"}

    async def test_a_resolver_field_merges_by_the_type_of_the_object(self) -> None:
        @strawberry.interface
        class Popular:
            @strawberry.field
            def fan(self) -> Author:
                return Author(name="Fan", age=9)

        @strawberry.type
        class Singer(Popular):
            pass

        @strawberry.type
        class Writer(Popular):
            pass

        executors = Executors(query(list[Popular]), types=[Singer, Writer])
        result = await executors.same(
            "{ it { fan { name } ... on Singer { fan { age } } } }", lambda: [Singer(), Writer()]
        )
        assert result.data == {"it": [{"fan": {"name": "Fan", "age": 9}}, {"fan": {"name": "Fan"}}]}
        assert executors.compiled() == {"fan:Author"}


DOCUMENTS_AT_ONCE = [
    "{ it { title author { name } } slow(n: 1) { title } }",
    "{ it { title author { age } } slow(n: 2) { title author { name friends { name } } } }",
    "query ($a: Boolean!) { it { id @include(if: $a) } slow(n: 3) { id @skip(if: $a) title } }",
    "query ($a: Boolean!) { slow(n: 4) { people { __typename } ...F @skip(if: $a) } } "
    "fragment F on Book { people { ... on Named { name } } }",
]


class TestConcurrency:
    def executors(self) -> Executors:
        def book(n: int) -> Book:
            wrong: Any = None if n % 5 == 0 else f"t{n}"
            return Book(title=wrong, author=Author(name=f"a{n}"))

        @strawberry.type
        class Query:
            @strawberry.field
            def it(self, info: strawberry.Info) -> list[Book | None]:
                return [book(info.context + n) for n in range(3)]

            @strawberry.field
            async def slow(self, info: strawberry.Info, n: int) -> list[Book | None]:
                for _ in range(info.context % 4):
                    await asyncio.sleep(0)
                return [book(info.context + n)]

        return Executors(Query, config=CONFIG)

    async def test_concurrent_operations_do_not_mix(self) -> None:
        executors = self.executors()
        dice = random.Random(1)

        def operation() -> tuple[str, dict[str, bool], int]:
            document = dice.choice(DOCUMENTS_AT_ONCE)
            return document, {"a": dice.random() < 0.5}, dice.randrange(50)

        async def answer(schema: Any, document: str, variables: Any, n: int) -> object:
            result = await schema.execute(document, variable_values=variables, context_value=n)
            return encoded(result.data), reported(result.errors)

        operations = [operation() for _ in range(400)]
        expected = [await answer(executors.stock, *o) for o in operations]
        assert expected == await asyncio.gather(
            *(answer(executors.compiling, *o) for o in operations)
        )
        assert executors.compiled()

    def test_threads_do_not_mix(self) -> None:
        executors = self.executors()
        documents = [d.split(" slow")[0] + "}" if "$" not in d else d for d in DOCUMENTS_AT_ONCE]
        documents = [d for d in documents if "slow" not in d]
        expected = {
            (d, n): encoded(executors.stock.execute_sync(d, context_value=n).data)
            for d in documents
            for n in range(20)
        }
        wrong: list[object] = []

        def work(seed: int) -> None:
            dice = random.Random(seed)
            for _ in range(100):
                d, n = dice.choice(list(expected))
                result = executors.compiling.execute_sync(d, context_value=n)
                if encoded(result.data) != expected[d, n]:
                    wrong.append((d, n))

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []


def test_strawberry_takes_it_as_execution_context_class() -> None:
    schema = strawberry.Schema(
        query(Author | None), execution_context_class=CompilingExecutionContext
    )
    assert schema.execute_sync("{ it { name } }").data == {"it": None}
