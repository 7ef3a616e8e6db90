"""Resolvers are called as often as by Strawberry, with the same arguments."""

import asyncio
import datetime
import decimal
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from random import Random
from types import GenericAlias
from typing import Annotated, Any, Generic, NewType, TypeVar

import pytest
import strawberry
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver
from strawberry.types.unset import UNSET

from strawberry_compiled.testing import Executors, reported

Even = NewType("Even", int)
E = strawberry.ID("e")


def even(value: Any) -> int:
    if value % 2:
        raise ValueError("odd")
    return int(value)


CONFIG = StrawberryConfig(scalar_map={Even: strawberry.scalar(name="Even", parse_value=even)})


@strawberry.enum
class Colour(Enum):
    RED = "red"
    GREEN = 2


@strawberry.input
class Inner:
    number: int = 5
    tags: list[str] = strawberry.field(default_factory=list)


@strawberry.input
class Outer:
    inner: Inner
    inners: list[Inner] | None = None
    text: str | None = UNSET
    maybe: strawberry.Maybe[int | None]


@strawberry.input(one_of=True)
class OneOf:
    a: strawberry.Maybe[int]
    b: strawberry.Maybe[str]


def described(**arguments: object) -> str:
    """Return the arguments of a resolver and their classes."""
    return repr({name: (type(value).__name__, value) for name, value in arguments.items()})


@strawberry.type
class Query:
    @strawberry.field
    def plain(
        self,
        a: int,
        b: float = 1.5,
        c: str | None = None,
        d: bool = True,
        e: strawberry.ID | None = E,
    ) -> str:
        return described(a=a, b=b, c=c, d=d, e=e)

    @strawberry.field
    async def choices(self, a: Colour, b: Colour | None = Colour.GREEN) -> str:
        return described(a=a, b=b)

    @strawberry.field
    def lists(self, a: list[int | None], b: list[list[str]] | None = None) -> str:
        a.append(7)
        return described(a=a, b=b)

    @strawberry.field
    def inputs(self, a: Outer, b: Inner | None = None) -> str:
        return described(a=a, b=b)

    @strawberry.field
    def defaults(self, a: list[int] = [1, 2], b: int | None = UNSET) -> str:  # noqa: B006
        a.append(3)
        return described(a=a, b=b)

    @strawberry.field
    def scalars(
        self,
        a: datetime.date | None = None,
        b: decimal.Decimal | None = None,
        c: Even | None = None,
    ) -> str:
        return described(a=a, b=b, c=c)

    @strawberry.field
    def renamed(
        self, in_: Annotated[int, strawberry.argument(name="in")] = 3, camel_case: int = 4
    ) -> str:
        return described(in_=in_, camel_case=camel_case)

    @strawberry.field
    def maybe(self, a: strawberry.Maybe[int] = None, b: strawberry.Maybe[int | None] = None) -> str:
        return described(a=a, b=b)


@pytest.fixture
def executors() -> Executors:
    return Executors(Query, config=CONFIG)


class TestArguments:
    @pytest.mark.parametrize(
        "document",
        [
            "{ plain(a: 1) }",
            '{ plain(a: -5, b: 2, c: "x", d: false, e: 7) }',
            "{ plain(a: 1, c: null, e: null) }",
            "{ x: plain(a: 1) y: plain(a: 2, c: null) }",
            "{ choices(a: RED) }",
            "{ choices(a: GREEN, b: null) }",
            "{ lists(a: [1, null, 2]) }",
            '{ lists(a: 1, b: [["x"], []]) }',
            "{ inputs(a: {inner: {}}) }",
            '{ inputs(a: {inner: {number: 1, tags: "x"}, inners: [{}], text: null, maybe: 4}) }',
            "{ inputs(a: {inner: {}}, b: {}) }",
            "{ defaults }",
            "{ defaults(a: [5], b: null) }",
            '{ scalars(a: "2026-01-02", b: "1.50", c: 4) }',
            "{ renamed }",
            "{ renamed(in: 9, camelCase: 8) }",
            "{ maybe }",
            "{ maybe(a: 3, b: null) }",
            "{ maybe(a: null) }",
        ],
    )
    async def test_literals_are_passed_as_by_strawberry(
        self, executors: Executors, document: str
    ) -> None:
        await executors.same(document)

    @pytest.mark.parametrize(
        "document",
        [
            "query ($v: Int!) { plain(a: $v) }",
            "query ($v: Int = 3) { plain(a: $v) }",
            "query ($v: Float) { plain(a: 1, b: 2) renamed }",
            "query ($v: Float!) { plain(a: 1, b: $v) }",
            "query ($v: Float = 2) { plain(a: 1, b: $v) }",
            "query ($v: String) { plain(a: 1, c: $v) }",
            'query ($v: String = "z") { plain(a: 1, c: $v) }',
            "query ($v: Boolean!) { plain(a: 1, d: $v) }",
            "query ($v: ID) { plain(a: 1, e: $v) }",
            "query ($v: Colour!) { choices(a: $v, b: $v) }",
            "query ($v: Colour) { choices(a: RED, b: $v) }",
            "query ($v: [Int]!) { lists(a: $v) }",
            "query ($v: Int) { lists(a: [1, $v]) }",
            "query ($v: Outer!) { inputs(a: $v) }",
            "query ($v: Inner) { inputs(a: {inner: {}}, b: $v) }",
            "query ($v: [Int!]! = [4]) { defaults(a: $v) }",
            "query ($v: Int) { defaults(b: $v) }",
            "query ($v: Even) { scalars(c: $v) }",
            "query ($v: Date) { scalars(a: $v) }",
            "query ($v: Decimal) { scalars(b: $v) }",
            "query ($v: Int) { maybe(b: $v) }",
            "query ($v: Unknown) { plain(a: 1) }",
        ],
    )
    async def test_variables_are_passed_as_by_strawberry(
        self, executors: Executors, document: str
    ) -> None:
        values: list[Any] = [
            1, 2**31, 0.5, True, None, "RED", "2026-01-02", "x", [1], [None], {}, {"inner": {}},
            {"inner": {"number": 4}, "text": None}, {"unknown": 1}, float("nan"), 4.0,
        ]  # fmt: skip
        await executors.same(document)
        for value in values:
            await executors.same(document, v=value)

    async def test_undeclared_variables_are_ignored(self, executors: Executors) -> None:
        await executors.same("query ($v: Int!) { plain(a: $v) }", v=1, w=2)

    async def test_resolvers_with_plain_arguments_are_called_directly(
        self, executors: Executors
    ) -> None:
        await executors.same("query ($v: Int!) { plain(a: $v) choices(a: RED) }", v=1)
        await executors.same("query ($v: [Int]!) { lists(a: $v) }", v=[1])
        assert executors.called() == {"plain:Query", "choices:Query", "lists:Query"}

    async def test_a_list_that_a_resolver_could_change_is_made_for_each_call(
        self, executors: Executors
    ) -> None:
        await executors.same("{ lists(a: [1]) defaults }")
        assert executors.called() == {"defaults:Query"}  # its list is copied

    @pytest.mark.parametrize("document", ["query ($v: Int) { lists(a: [1, $v]) }"])
    async def test_a_variable_inside_a_literal_may_be_missing(
        self, executors: Executors, document: str
    ) -> None:
        await executors.same(document)
        await executors.same(document, v=2)

    async def test_a_one_of_input_is_passed_as_by_strawberry(self) -> None:
        @strawberry.type
        class Query:
            @strawberry.field
            def one(self, of: OneOf) -> str:
                return repr(of)

        executors = Executors(Query)
        result = await executors.same("query ($v: Int!) { one(of: {a: $v}) }", v=2)
        assert result.errors is None
        await executors.same('{ one(of: {b: "x"}) }')

    async def test_a_custom_scalar_reads_its_literal_in_each_execution(self) -> None:
        class Sticky(str):
            read = 0

        def parse(value: object) -> Sticky:
            return Sticky(json.dumps(value))

        own = NewType("own", str)

        @strawberry.type
        class Query:
            @strawberry.field
            def text(self, of: own) -> str:
                of.read += 1  # type: ignore[attr-defined]
                return f"{of} {of.read}"  # type: ignore[attr-defined]

        scalar = strawberry.scalar(name="Own", parse_value=parse)
        executors = Executors(Query, config=StrawberryConfig(scalar_map={own: scalar}))
        for document in (
            '{ text(of: "now") }',
            "query ($v: Int) { text(of: {a: $v}) }",
            "query ($v: Int) { text(of: [$v]) }",
        ):
            answers = [
                (await schema.execute(document, variable_values={"v": 7})).data
                for schema in (executors.stock, *3 * (executors.compiling,))
            ]
            assert answers == 4 * [answers[0]]

    async def test_a_parser_that_cannot_be_hashed_is_called(self) -> None:
        @dataclass
        class Parse:
            def __call__(self, value: object) -> object:
                return value

        odd = NewType("odd", object)

        @strawberry.type
        class Query:
            @strawberry.field
            def it(self, of: odd) -> str:
                return str(of)

        scalar = strawberry.scalar(name="Odd", parse_value=Parse())
        executors = Executors(Query, config=StrawberryConfig(scalar_map={odd: scalar}))
        assert (await executors.same("query ($v: Odd!) { it(of: $v) }", v=7)).errors is None

    @pytest.mark.parametrize("name", ["info", "_source", "self", "root", "kwargs", "args"])
    async def test_an_argument_named_like_a_parameter_of_strawberry_gives_one_answer(
        self, name: str
    ) -> None:
        def of_parameter(parameter: str, graphql_name: str) -> Executors:
            scope: dict[str, Any] = {"Annotated": Annotated, "strawberry": strawberry}
            exec(
                f"def it({parameter}: Annotated[str, strawberry.argument(name={graphql_name!r})])"
                f" -> str:\n    return {parameter}",
                scope,
            )
            field = strawberry.field(resolver=scope["it"])
            return Executors(strawberry.type(type("Query", (), {"it": field})))

        for parameter, graphql_name in ((name, "a"), ("a", name), (name, name)):
            try:
                executors = of_parameter(parameter, graphql_name)
            except Exception:  # Strawberry refuses some
                continue
            await executors.same(f'{{ it({graphql_name}: "x") }}')
            await executors.same(f"query ($v: String!) {{ it({graphql_name}: $v) }}", v="x")

    async def test_an_argument_named_info_beside_the_info_under_another_name(self) -> None:
        @strawberry.type
        class Query:
            @strawberry.field
            def it(self, where: strawberry.Info, info: int | None = 3) -> str:
                return f"{where.field_name} {info}"

        executors = Executors(Query)
        for document in ("{ it }", "{ it(info: 4) }", "query ($v: Int) { it(info: $v) }"):
            await executors.same(document)

    async def test_a_variable_of_both_an_argument_and_a_directive(
        self, executors: Executors
    ) -> None:
        document = "query ($v: Boolean!) { plain(a: 1, d: $v) renamed @include(if: $v) }"
        await executors.same(document, v=True)
        await executors.same(document, v=False)

    @pytest.mark.parametrize("name", ["A", "B"])
    async def test_one_of_several_operations_is_executed(
        self, executors: Executors, name: str
    ) -> None:
        document = "query A($v: Int!) { plain(a: $v) } query B { renamed }"
        answers = [
            await schema.execute(document, variable_values={"v": 2}, operation_name=name)
            for schema in (executors.stock, *3 * (executors.compiling,))
        ]
        assert answers == 4 * [answers[0]]
        assert answers[0].errors is None


Item = TypeVar("Item")


@strawberry.input
class Page(Generic[Item]):
    first: Item
    others: list[Item] = strawberry.field(default_factory=list)


@strawberry.input
class Tree:
    name: str
    left: "Tree | None" = None
    others: "list[Tree] | None" = None
    later: Annotated["Tree", strawberry.lazy(__name__)] | None = None


@strawberry.input
class Everything:
    colours: list[Colour]
    camel_case: int | None
    renamed: int | None = strawberry.field(name="other", default=3)
    nested: list[list[int]] | None = None
    even: Even | None = None
    day: datetime.date | None = None
    node: strawberry.relay.GlobalID | None = None
    either: strawberry.Maybe[Inner]
    factory: Inner = strawberry.field(default_factory=Inner)
    choices: list[Colour | None] | None = UNSET


class TestInputs:
    """The objects of input types that resolvers get."""

    @strawberry.type
    class Query:
        @strawberry.field
        def tree(self, of: Tree) -> str:
            return described(of=of)

        @strawberry.field
        async def pages(self, a: Page[int], b: Page[Inner] | None = None) -> str:
            return described(a=a, b=b)

        @strawberry.field
        def everything(self, of: Everything) -> str:
            return described(of=of)

    @pytest.fixture
    def executors(self) -> Executors:
        return Executors(self.Query, config=CONFIG)

    @pytest.mark.parametrize(
        "of",
        [
            {"name": "root"},
            {"name": "root", "left": {"name": "a", "left": {"name": "b", "left": None}}},
            {"name": "root", "others": [{"name": "a", "others": []}, {"name": "b", "later": None}]},
            {"name": "root", "later": {"name": "a", "later": {"name": "b"}}},
        ],
    )
    async def test_recursive_inputs_are_built(
        self, executors: Executors, of: dict[str, Any]
    ) -> None:
        result = await executors.same("query ($of: Tree!) { tree(of: $of) }", of=of)
        assert result.errors is None
        assert executors.called() == {"tree:Query"}

    async def test_inputs_that_hold_one_another_are_inspected_once_each(self) -> None:
        """By every path through them, these types would take forever."""
        names = [f"Filter{n}" for n in range(12)]
        filters: dict[str, Any] = {}
        for name in names:
            annotations = {other: f"{other} | None" for other in names} | {"number": "int"}
            defaults = dict.fromkeys(names)
            cls = type(name, (), {"__annotations__": annotations, **defaults, "number": 0})
            cls.__module__ = __name__
            globals()[name] = filters[name] = cls
        for name in names:
            globals()[name] = filters[name] = strawberry.input(filters[name])

        async def it(of: Any) -> str:
            return str(of.number + of.Filter3.Filter0.number)

        it.__annotations__["of"] = filters["Filter0"]
        executors = Executors(
            strawberry.type(type("Query", (), {"it": strawberry.field(resolver=it)}))
        )
        document = "query ($of: Filter0!) { it(of: $of) }"
        result = await executors.same(
            document, of={"number": 1, "Filter3": {"Filter0": {"number": 2}}}
        )
        assert result.data == {"it": "3"}
        assert executors.called() == {"it:Query"}

    async def test_an_input_class_registered_as_a_scalar(self) -> None:
        @strawberry.input
        class Point:
            x: int = 0

        @strawberry.type
        class Query:
            @strawberry.field
            def it(self, of: Point) -> str:
                return described(of=of)

        scalar = strawberry.scalar(name="Position", parse_value=lambda value: Point(x=value))
        executors = Executors(Query, config=StrawberryConfig(scalar_map={Point: scalar}))
        # Older versions do not know such a scalar; then the answer is the same error.
        await executors.same("query ($of: Position!) { it(of: $of) }", of=3)

    async def test_generic_inputs_are_built(self, executors: Executors) -> None:
        document = "query ($a: IntPage!, $b: InnerPage) { pages(a: $a, b: $b) }"
        await executors.same(document, a={"first": 1, "others": [2]})
        b = {"first": {}, "others": [{"number": 1, "tags": ["x"]}]}
        result = await executors.same(document, a={"first": 1}, b=b)
        assert result.errors is None
        assert executors.called() == {"pages:Query"}

    @pytest.mark.parametrize(
        "more",
        [
            {},
            {"camelCase": 1, "other": 2, "nested": [[1], []], "even": 4, "day": "2026-01-02"},
            {"camelCase": None, "other": None, "nested": None, "even": None, "day": None},
            {"node": "VXNlcjox", "either": {"number": 2}},
            {"node": "no id"},
            {"even": 3},
            {"either": None},
            {"factory": {"tags": ["x"]}, "choices": ["RED", None]},
            {"factory": None},
            {"choices": None},
            {"unknown": 1},
        ],
    )
    async def test_inputs_with_fields_of_all_kinds(
        self, executors: Executors, more: dict[str, Any]
    ) -> None:
        document = "query ($of: Everything!) { everything(of: $of) }"
        await executors.same(document, of={"colours": ["GREEN", "RED"], **more})
        assert executors.called() <= {"everything:Query"}

    async def test_a_custom_from_input_gets_its_path(self) -> None:
        @strawberry.input
        class Placed:
            number: int

        @strawberry.input
        class Around:
            camel_case: Placed
            several: list[Placed]

        def build(cls: type, value: Mapping[str, Any], context: Any) -> object:
            return cls(number=f"{value} at {context.path} of {context.info.field_name}")

        Placed.__strawberry_definition__.from_input = build  # type: ignore[attr-defined]

        @strawberry.type
        class Query:
            @strawberry.field
            def it(self, of: Around, alone: Placed) -> str:
                return described(of=of, alone=alone)

        executors = Executors(Query)
        result = await executors.same(
            "query ($of: Around!, $alone: Placed!) { it(of: $of, alone: $alone) }",
            of={"camelCase": {"number": 1}, "several": [{"number": 2}]},
            alone={"number": 3},
        )
        assert "('of', 'several', 0)" in result.data["it"]  # type: ignore[index]
        assert executors.called() == {"it:Query"}

    async def test_changes_that_a_resolver_makes_to_an_input_are_not_shared(self) -> None:
        @strawberry.type
        class Query:
            @strawberry.field
            def it(self, of: Inner) -> str:
                of.number += 1
                of.tags.append("more")
                return described(of=of)

        executors = Executors(Query)
        variables = {"number": 1, "tags": ["x"]}
        for _ in range(2):
            await executors.same("query ($of: Inner!) { it(of: $of) }", of=variables)
            await executors.same('query ($of: Inner = {tags: ["y"]}) { it(of: $of) }')
        assert variables == {"number": 1, "tags": ["x"]}
        assert executors.called() == {"it:Query"}


class Order:
    """Records calls in their order, `__post_init__` of inputs included."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        calls = self.calls

        @strawberry.input
        class Built:
            number: int = 1

            def __post_init__(self) -> None:
                calls.append(("built", self.number))
                if self.number == 13:
                    raise ValueError("unlucky")

        @strawberry.type
        class Query:
            @strawberry.field
            async def later(self, i: Built, b: int = 5) -> str | None:
                calls.append("later")
                if i.number == 7:
                    raise ValueError("seven")
                return f"{i.number} {b}"

            @strawberry.field
            async def strictly(self, i: Built) -> str:
                calls.append("strictly")
                return str(i.number)

            @strawberry.field
            def now(self, i: Built, b: int = 5) -> str | None:
                calls.append("now")
                if i.number == 7:
                    raise ValueError("seven")
                return f"{i.number} {b}"

            @strawberry.field
            def boom(self) -> str | None:
                calls.append("boom")
                raise ValueError("boom")

            @strawberry.field
            def note(self) -> str:
                calls.append("note")
                return "note"

        self.executors = Executors(Query)

    async def same(self, document: str, **variables: object) -> None:
        seen = []
        for schema in (self.executors.stock, *3 * (self.executors.compiling,)):
            self.calls.clear()
            result = await schema.execute(document, variable_values=variables)
            seen.append((result.data, reported(result.errors), [*self.calls]))
        assert seen == 4 * [seen[0]]


class TestOrder:
    @pytest.mark.parametrize("number", [1, 7, 13])
    @pytest.mark.parametrize(
        "fields",
        [
            "later(i: $i) note",
            "later(i: $i) boom note",
            "strictly(i: $i) boom note",
            "boom strictly(i: $i) now(i: $i)",
            "now(i: $i) later(i: $i) note",
            "a: later(i: $i) b: later(i: $i) c: now(i: $i)",
            "later(i: $i, b: $b) note",
            "note now(i: $i, b: $b) boom",
        ],
    )
    async def test_calls_and_errors_have_the_order_of_strawberry(
        self, fields: str, number: int
    ) -> None:
        head = "query ($i: Built!, $b: Int = 2)" if "$b" in fields else "query ($i: Built!)"
        order = Order()
        await order.same(f"{head} {{ {fields} }}", i={"number": number})
        await order.same(f"{head} {{ {fields} }}", i={"number": number}, b=None)


class TestChangesByResolvers:
    """What a resolver changes affects no other request."""

    async def check(self, query: type, document: str, **variables: object) -> None:
        executors = Executors(query)
        seen = []
        for schema in (executors.stock, executors.compiling):
            found = []
            for twist in (False, True, False, True, False, False):
                result = await schema.execute(
                    document, variable_values=dict(variables), context_value=twist
                )
                found.append((result.data, reported(result.errors)))
            seen.append(found)
        assert seen[0] == seen[1]

    async def test_changed_variables_are_not_shared(self) -> None:
        @strawberry.type
        class Query:
            @strawberry.field
            def leaf(self, info: strawberry.Info) -> Leaf:
                if info.context:
                    info.variable_values["v"] = True
                return Leaf()

        await self.check(
            Query, "query ($v: Boolean!) { leaf { strict number @include(if: $v) } }", v=False
        )

    async def test_changed_nodes_and_fragments_are_not_shared(self) -> None:
        @strawberry.type
        class Query:
            @strawberry.field
            def count(self, info: strawberry.Info) -> int:
                raw = info._raw_info
                if info.context:
                    raw.field_nodes.append(raw.field_nodes[0])
                    raw.fragments["G"] = raw.fragments["F"]
                return len(raw.field_nodes) * 10 + len(raw.fragments)

        await self.check(Query, "{ ...F } fragment F on Query { count }")


class Arguments:
    """A random field with arguments, documents that ask for it, and values for their variables."""

    TYPES: tuple[tuple[Any, str, tuple[str, ...]], ...] = (
        (int, "Int", ("1", "2147483648", '"x"', "1.0", "null")),
        (float, "Float", ("1", "0.5", "1e400", "true")),
        (str, "String", ('"x"', '"""y"""', "3")),
        (bool, "Boolean", ("true", "0")),
        (strawberry.ID, "ID", ('"i"', "7", "7.5")),
        (Colour, "Colour", ("RED", "BLUE", '"RED"')),
        (Inner, "Inner", ("{}", "{number: 3}", "{number: $v0}", "{other: 1}")),
    )
    VALUES: tuple[Any, ...] = (
        0,
        1,
        2**40,
        1.0,
        0.5,
        "x",
        "RED",
        True,
        None,
        [],
        [1],
        {},
        {"number": 2},
        {"o": 1},
    )

    def __init__(self, random: Random) -> None:
        self.random = random
        self.arguments = [self._argument() for _ in range(random.randint(1, 3))]
        annotations = {f"a{n}": annotation for n, (annotation, *_) in enumerate(self.arguments)}
        defaults = [default for *_, default in self.arguments]
        parameters = ", ".join(
            f"a{n}" if default is ... else f"a{n}=defaults[{n}]"
            for n, default in enumerate(defaults)
        )
        names = ", ".join(f"{name}={name}" for name in annotations)
        scope: dict[str, Any] = {"described": described, "defaults": defaults, "__name__": __name__}
        keyword = "async def" if random.random() < 0.5 else "def"
        exec(f"{keyword} it(*, {parameters}): return described({names})", scope)
        resolver = scope["it"]
        resolver.__annotations__ = {**annotations, "return": str | None}
        query = strawberry.type(type("Query", (), {"it": strawberry.field(resolver=resolver)}))
        self.executors = Executors(query)

    def _argument(self) -> tuple[Any, str, tuple[str, ...], Any]:
        random = self.random
        annotation, name, literals = random.choice(self.TYPES)
        type_, nullable = annotation, random.random() < 0.5
        if random.random() < 0.2:
            type_, name = GenericAlias(list, annotation), f"[{name}!]"
        default: Any = ...
        if nullable:
            type_ = type_ | None
            default = random.choice([None, UNSET, ...])
        elif annotation is int and type_ is int and random.random() < 0.5:
            default = 4
        return type_, name, literals, default

    def document(self) -> tuple[str, dict[str, Any]]:
        random = self.random
        given, variables, values = [], [], {}
        for n, (_, name, literals, _) in enumerate(self.arguments):
            kind = random.random()
            if kind < 0.15:
                continue
            if kind < 0.45:
                given.append(f"a{n}: {random.choice(literals)}")
                continue
            given.append(f"a{n}: $v{n}")
            default = f" = {random.choice(literals)}" if random.random() < 0.2 else ""
            bang = "!" if random.random() < 0.6 else ""
            variables.append(f"$v{n}: {name}{bang}{default}")
            if random.random() < 0.9:
                values[f"v{n}"] = random.choice(self.VALUES)
        head = f"query ({', '.join(variables)})" if variables else "query"
        asked = f"({', '.join(given)})" if given else ""
        return f"{head} {{ it{asked} }}", values


class TestAnyArguments:
    async def test_both_executors_give_the_same(self) -> None:
        seen = {"called": 0, "answered": 0, "refused": 0}

        async def compare(arguments: Arguments) -> None:
            for _ in range(12):
                document, values = arguments.document()
                result = await arguments.executors.same(document, **values)
                seen["answered"] += result.errors is None
                seen["refused"] += result.errors is not None
            seen["called"] += len(arguments.executors.called())

        @given(random=st.randoms(use_true_random=True))
        def check(random: Random) -> None:
            asyncio.run(compare(Arguments(random)))

        await asyncio.to_thread(check)
        assert min(seen.values()) > settings().max_examples / 4, seen


class Failure(Exception):
    pass


@strawberry.type
class Broken:
    message: str


class FailureHandler:
    exception_type = Failure
    error_type = Broken

    def handle(self, exception: Failure, **_: Any) -> Broken:
        return Broken(message=str(exception))


@strawberry.type
class Leaf:
    number: int | None = 1
    strict: int = 2


LeafOrBroken = Annotated[Leaf | Broken, strawberry.union("LeafOrBroken")]


@strawberry.type
class Source:
    name: str = "source"

    @strawberry.field
    def own(self) -> str:
        return f"own {self.name}"

    @strawberry.field
    async def asked(self, info: strawberry.Info) -> str:
        return f"{info.field_name} {info.path.as_list()} {info.python_name} {info.return_type}"

    @strawberry.field
    def selected(self, info: strawberry.Info) -> list[Leaf]:
        (field,) = info.selected_fields
        return [Leaf(number=len(field.selections))]


class TestCalls:
    async def test_info_describes_the_field(self) -> None:
        @strawberry.type
        class Query:
            @strawberry.field
            def source(self) -> Source:
                return Source()

            @strawberry.field
            async def variables(self, info: strawberry.Info, a: int) -> str:
                operation = info.operation.name
                assert operation is not None
                return f"{operation.value} {info.variable_values} {info.root_value} {a}"

        executors = Executors(Query)
        await executors.same(
            "query Q($a: Int!) { source { own asked selected { number } } variables(a: $a) }", a=1
        )
        assert "asked:Source" in executors.called()

    async def test_a_custom_info_class_is_used(self) -> None:
        class OwnInfo(strawberry.Info[Any, Any]):
            @property
            def shout(self) -> str:
                return self.field_name.upper()

        @strawberry.type
        class Query:
            @strawberry.field
            def it(self, info: strawberry.Info) -> str:
                return info.shout  # type: ignore[attr-defined,no-any-return]

        executors = Executors(Query, config=StrawberryConfig(info_class=OwnInfo))
        assert (await executors.same("{ it }")).data == {"it": "IT"}
        assert executors.called() == {"it:Query"}

    async def test_a_custom_get_result_is_called(self) -> None:
        class Own(StrawberryField):
            def get_result(self, *_: Any, **__: Any) -> Any:
                return "its own"

        @strawberry.type
        class Query:
            it: str = Own(base_resolver=StrawberryResolver(lambda: "the resolver's"))  # type: ignore[assignment]

        executors = Executors(Query)
        assert (await executors.same("{ it }")).data == {"it": "its own"}
        assert executors.called() == set()

    @pytest.mark.parametrize("asynchronous", [False, True])
    @pytest.mark.parametrize(
        "value",
        [
            Leaf(),
            None,
            Leaf(number="x"),  # type: ignore[arg-type]
            Leaf(strict=None),  # type: ignore[arg-type]
            Leaf(number=2**31),
            ValueError("given, not raised"),
            Failure("raised"),
            3,
            [Leaf()],
        ],
        ids=repr,
    )
    @pytest.mark.parametrize(
        "annotation", [Leaf, Leaf | None, list[Leaf], list[Leaf | None] | None]
    )
    async def test_a_resolver_is_called_once_whatever_its_value(
        self, annotation: Any, value: Any, asynchronous: bool
    ) -> None:
        calls: list[int] = []

        def now() -> Any:
            calls.append(1)
            if isinstance(value, Failure):
                raise value
            return value

        async def later() -> Any:
            await asyncio.sleep(0)
            return now()

        resolver: Callable[[], Any] = later if asynchronous else now
        resolver.__annotations__ = {"return": annotation}
        query = strawberry.type(
            type("Query", (), {"it": strawberry.field(resolver=resolver), "other": Other})
        )
        executors = Executors(query)
        await executors.same("{ it { number strict } other { number } }")
        assert len(calls) == 1 + 3
        assert "it:Query" in executors.called()

    async def test_a_synchronous_resolver_may_return_an_awaitable(self) -> None:
        @strawberry.type
        class Query:
            @strawberry.field(graphql_type=Leaf)
            def it(self) -> Awaitable[Leaf]:
                future: asyncio.Future[Leaf] = asyncio.get_running_loop().create_future()
                future.set_result(Leaf())
                return future

        executors = Executors(Query)
        assert (await executors.same("{ it { number } }")).errors is None
        assert executors.called() == {"it:Query"}

    async def test_a_type_error_of_a_resolver_is_reported(self) -> None:
        @strawberry.type
        class Query:
            @strawberry.field
            def it(self, *, a: int = 1) -> str:
                raise TypeError("as if an argument were missing")

        await Executors(Query).same("{ it }")

    async def test_two_failing_siblings_give_the_same_errors(self) -> None:
        @strawberry.type
        class Query:
            @strawberry.field
            async def slow(self) -> Leaf:
                await asyncio.sleep(0.001)
                raise ValueError("slow")

            @strawberry.field
            async def quick(self) -> Leaf | None:
                raise ValueError("quick")

        await Executors(Query).same("{ slow { number } quick { number } }")

    async def test_a_failed_mutation_does_not_stop_the_next(self) -> None:
        @strawberry.type
        class Mutation:
            @strawberry.mutation
            async def change(self, by: int) -> Leaf | None:
                if by == 2:
                    raise ValueError("two")
                return Leaf(number=by)

        executors = Executors(Source, mutation=Mutation)
        result = await executors.same(
            "mutation { a: change(by: 1) { number } b: change(by: 2) { number } "
            "c: change(by: 3) { number } }"
        )
        assert result.data == {"a": {"number": 1}, "b": None, "c": {"number": 3}}
        assert executors.called() == {"change:Mutation"}


class Minor(Failure):
    pass


class LaterHandler:
    """An asynchronous handler that declines some exceptions."""

    exception_type = Failure
    error_type = Broken

    def __init__(self) -> None:
        self.seen: list[object] = []

    def handle(self, exception: Failure, *, field: Any, info: Any) -> Any:
        self.seen.append((str(exception), field.python_name, info.path.key, info.context))
        return self._handled(exception)

    async def _handled(self, exception: Failure) -> Broken | None:
        await asyncio.sleep(0)
        match str(exception):
            case "declined":
                return None
            case "mishandled":
                raise LookupError("while it was handled")
            case message:
                return Broken(message=f"later: {message}")


@strawberry.input
class Fragile:
    number: int

    def __post_init__(self) -> None:
        if self.number == 13:
            raise Failure("while the input was built")


class TestExceptionHandlers:
    @pytest.fixture(params=[FailureHandler, LaterHandler])
    def executors(self, request: pytest.FixtureRequest) -> Executors:
        @strawberry.type
        class Query:
            @strawberry.field
            async def it(self, message: str, of: Fragile | None = None) -> LeafOrBroken | None:
                await asyncio.sleep(0)
                match message:
                    case "fine":
                        return Leaf()
                    case "minor":
                        raise Minor("minor")
                    case "other":
                        raise ValueError("other")
                    case "group":
                        raise ExceptionGroup("group", [Failure("one")])
                    case "cancelled":
                        raise asyncio.CancelledError
                raise Failure(message)

            @strawberry.field
            async def nobodys(self) -> Leaf | None:
                raise Failure("of a field that cannot show it")

        self.handlers = [request.param(), FailureHandler()]
        return Executors(Query, exception_handlers=self.handlers)

    @pytest.mark.parametrize(
        "message", ["fine", "handled", "minor", "other", "group", "declined", "mishandled"]
    )
    async def test_handled_exceptions_become_data(self, executors: Executors, message: str) -> None:
        await executors.same(
            "query ($m: String!) { it(message: $m) { __typename ... on Broken { message } } }",
            m=message,
        )
        assert executors.called() == {"it:Query"}

    async def test_an_exception_while_an_input_is_built_is_handled(
        self, executors: Executors
    ) -> None:
        document = """
            query ($of: Fragile!) { it(message: "fine", of: $of) { ... on Broken { message } } }
        """
        result = await executors.same(document, of={"number": 13})
        assert result.data is not None
        assert result.data["it"]["message"].endswith("while the input was built")
        assert executors.called() == {"it:Query"}

    async def test_an_exception_of_a_field_without_the_error_type_is_an_error(
        self, executors: Executors
    ) -> None:
        result = await executors.same("{ nobodys { number } }")
        assert result.errors is not None
        assert executors.called() == {"nobodys:Query"}

    async def test_handlers_get_the_same_arguments(self, executors: Executors) -> None:
        await executors.same('{ alias: it(message: "x") { ... on Broken { message } } }')
        if isinstance(self.handlers[0], LaterHandler):
            assert self.handlers[0].seen == 4 * [("x", "it", "alias", None)]

    async def test_a_cancellation_is_not_handled(self, executors: Executors) -> None:
        document = '{ it(message: "cancelled") { ... on Broken { message } } }'
        for schema in (executors.stock, *3 * (executors.compiling,)):
            with pytest.raises(asyncio.CancelledError):
                await schema.execute(document)


@strawberry.field
async def Other() -> Leaf:  # noqa: N802  (a field's name is that of its attribute)
    return Leaf()


class TestNotCalled:
    """Strawberry calls a resolver that something surrounds."""

    async def check(self, query: type, **options: Any) -> None:
        executors = Executors(query, **options)
        await executors.same("{ it }")
        assert executors.called() == set()

    async def test_permissions_are_checked(self) -> None:
        class Never(BasePermission):
            message = "never"

            def has_permission(self, source: Any, info: Any, **_: Any) -> bool:
                return False

        @strawberry.type
        class Query:
            @strawberry.field(permission_classes=[Never])
            def it(self) -> str:
                return "secret"

        await self.check(Query)

    async def test_extensions_of_the_field_are_called(self) -> None:
        class Loud(FieldExtension):
            def resolve(self, next_: Any, source: Any, info: Any, **kwargs: Any) -> Any:
                return next_(source, info, **kwargs).upper()

        @strawberry.type
        class Query:
            @strawberry.field(extensions=[Loud()])
            def it(self) -> str:
                return "loud"

        await self.check(Query)

    async def test_handlers_of_a_synchronous_resolver_are_called(self) -> None:
        @strawberry.type
        class Query:
            @strawberry.field
            def it(self) -> LeafOrBroken:
                raise Failure("handled")

        executors = Executors(Query, exception_handlers=[FailureHandler()])
        result = await executors.same("{ it { ... on Broken { message } } }")
        assert result.data == {"it": {"message": "handled"}}
        assert executors.called() == set()


class TestSubscriptions:
    async def test_the_resolvers_of_each_event_are_called(self) -> None:
        @strawberry.type
        class Subscription:
            @strawberry.subscription
            async def sources(self, count: int = 3) -> AsyncIterator[Source]:
                for _ in range(count):
                    yield Source()

        executors = Executors(Source, subscription=Subscription)
        answers = []
        for schema in (executors.stock, executors.compiling):
            stream = await schema.subscribe(
                "subscription ($n: Int!) { sources(count: $n) { name own asked } }", {"n": 3}
            )
            answers.append([result.data async for result in stream])
        assert answers[0] == answers[1]
        assert len(answers[0]) == 3
        assert executors.called() == {"own:Source", "asked:Source"}
