"""What compiling may cost: counted in fields written, not in time."""

import types
from typing import Annotated, Any

import pytest
import strawberry
from graphql import OperationDefinitionNode, parse

from strawberry_compiled.limits import (
    FIELDS_PER_RUN,
    MAX_FIELDS,
    MAX_FUNCTION,
    MAX_LEVELS,
    MAX_LOOPS,
    MAX_STEPS,
    Measure,
    Size,
    TooLarge,
)
from strawberry_compiled.plans import DocumentPlans, schema_plans
from strawberry_compiled.testing import Executors, encoded


@strawberry.type
class Leaf:
    a: int = 1
    b: int = 2


@strawberry.type
class Node:
    a: int = 1
    b: int = 2
    more: "list[Node]" = strawberry.field(default_factory=list)
    one: "Node | None" = None
    grid: list[list[int]] = strawberry.field(default_factory=list)
    either: list[Annotated["Node | Leaf", strawberry.union("Either")]] = strawberry.field(
        default_factory=list
    )

    @strawberry.field
    def called(self) -> "Node":
        return Node()

    @strawberry.field
    def several(self) -> "list[Node]":
        return [Node()]


@strawberry.type
class Query:
    @strawberry.field
    def it(self, root: strawberry.Parent[Any]) -> Node:
        return root if isinstance(root, Node) else Node()


@pytest.fixture
def executors() -> Executors:
    return Executors(Query)


def document(of: Executors) -> DocumentPlans:
    (plans,) = schema_plans(of.compiling._schema)
    return plans


def written(of: Executors) -> int:
    return sum(plans.allowance.written for plans in schema_plans(of.compiling._schema))


class TestMeasure:
    def measure(self, text: str) -> tuple[Size, int]:
        node = parse(text)
        schema = Executors(Query).stock._schema
        measure = Measure(schema, node)
        operation = node.definitions[0]
        assert isinstance(operation, OperationDefinitionNode)
        measure.check(operation)
        return measure._known[id(operation.selection_set), "Query"], measure.steps

    @pytest.mark.parametrize(
        ("text", "size"),
        [
            ("{ it { a b } }", Size(3, 2, 0)),
            ("{ it { more { a } one { a b } } }", Size(6, 4, 1)),
            ("{ it { grid } }", Size(2, 4, 2)),
            ("{ it { ... on Node { a } } }", Size(2, 3, 0)),
            ("{ it { ...F b ...F } } fragment F on Node { a }", Size(4, 3, 0)),
            ("{ it { either { ... on Node { a b } ... on Leaf { a } } } }", Size(5, 5, 1)),
            ("{ it { either { __typename } } }", Size(4, 4, 1)),
        ],
    )
    def test_sizes(self, text: str, size: Size) -> None:
        assert self.measure(text)[0] == size

    def test_fragments_that_double_are_measured_once_each(self) -> None:
        n = 16
        text = "{ it { ...F0 } }" + "".join(
            f"fragment F{i} on Node {{ ...F{i + 1} ...F{i + 1} }}" for i in range(n)
        )
        with pytest.raises(TooLarge, match=f"more than {MAX_FIELDS} fields"):
            self.measure(f"{text} fragment F{n} on Node {{ a }}")
        assert (
            self.measure(f"{text} fragment F{n} on Node {{ ...G }} fragment G on Leaf {{ a }}")[1]
            < 3 * n
        )

    def test_a_fragment_that_spreads_itself_ends(self) -> None:
        self.measure("{ it { ...F } } fragment F on Node { a one { ...F } }")

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("{ it " + "{ one " * 60 + "{ a }" + "}" * 60 + "}", f"{MAX_LEVELS} levels"),
            ("{ it " + "{ ... " * 60 + "{ a }" + "}" * 60 + "}", f"{MAX_LEVELS} levels"),
            ("{ it " + "{ more " * 19 + "{ a }" + "}" * 19 + "}", f"{MAX_LOOPS} lists"),
            (
                "{ it {" + " ".join(f"f{n}: a" for n in range(MAX_FIELDS)) + "} }",
                f"{MAX_FIELDS} fields",
            ),
        ],
    )
    def test_operations_that_are_too_large(self, text: str, reason: str) -> None:
        with pytest.raises(TooLarge, match=reason):
            self.measure(text)

    def test_measuring_itself_is_bounded(self) -> None:
        text = "{ it { " + "a " * (MAX_STEPS + 1) + "} }"
        with pytest.raises(TooLarge, match=f"{MAX_STEPS} steps"):
            self.measure(text)


def nested(field: str, levels: int) -> str:
    return "{ it " + f"{{ {field} " * levels + "{ a }" + "}" * levels + "}"


class TestLargeOperations:
    @pytest.mark.parametrize("field", ["more", "one", "called", "several"])
    async def test_sixty_levels_are_left_to_the_stock_executor(
        self, executors: Executors, field: str
    ) -> None:
        await executors.same(nested(field, 60))
        assert written(executors) == 0

    @pytest.mark.parametrize("field", ["more", "one", "called", "several"])
    @pytest.mark.parametrize("levels", [15, 17, 18, 19, 25, 35, 38, 39, 40])
    async def test_operations_about_the_limits_have_the_same_answer(
        self, executors: Executors, field: str, levels: int
    ) -> None:
        def root() -> Node:
            node = Node()
            for _ in range(levels):
                node = Node(more=[node, Node()], one=node)
            return node

        result = await executors.same(nested(field, levels), root if field == "one" else Node)
        assert result.errors is None

    @pytest.mark.parametrize("levels", range(60, 100, 3))
    async def test_the_stack_ends_no_earlier_than_with_the_stock_executor(
        self, levels: int
    ) -> None:
        annotation: Any = int
        value: Any = 1
        for _ in range(levels):
            annotation, value = types.GenericAlias(list, annotation), [value]

        def it() -> Any:
            return value

        it.__annotations__ = {"return": annotation}
        query = strawberry.type(type("Query", (), {"it": strawberry.field(resolver=it)}))
        executors = Executors(query)
        expected = await executors.stock.execute("{ it }")
        for _ in range(3):
            result = await executors.compiling.execute("{ it }")
            if expected.errors is None:
                assert encoded(result.data) == encoded(expected.data)

    @pytest.mark.parametrize("levels", range(60, 130, 5))
    async def test_nor_for_nested_objects(self, executors: Executors, levels: int) -> None:
        expected = await executors.stock.execute(nested("called", levels))
        for _ in range(3):
            result = await executors.compiling.execute(nested("called", levels))
            if expected.errors is None:
                assert encoded(result.data) == encoded(expected.data)


class TestAllowance:
    async def test_a_small_document_is_compiled_whole_at_its_second_execution(
        self, executors: Executors
    ) -> None:
        text = "{ it { a b more { a b } one { a } } }"
        for _ in range(2):
            await executors.compiling.execute(text)
        assert executors.compiled() == {"it:Node"}

    async def test_a_larger_one_waits_until_it_has_been_executed_more(
        self, executors: Executors
    ) -> None:
        fields = 3 * FIELDS_PER_RUN
        text = "{ it { " + " ".join(f"f{n}: a" for n in range(fields)) + " } }"
        compiled_at = []
        for run in range(1, 10):
            await executors.compiling.execute(text)
            assert written(executors) <= run * FIELDS_PER_RUN
            if "it:Node" in executors.compiled():
                compiled_at.append(run)
        assert compiled_at[0] > 3

    async def test_one_that_is_too_large_for_a_function_is_compiled_in_parts(
        self, executors: Executors
    ) -> None:
        half = " ".join(f"f{n}: a" for n in range(MAX_FUNCTION // 2 + 1))
        text = f"{{ it {{ one {{ {half} }} two: one {{ {half} }} }} }}"
        for _ in range(12):
            await executors.same(text, lambda: Node(one=Node()))
        assert {"one:Node"} <= executors.compiled()
        assert "it:Node" not in executors.compiled()

    async def test_what_cannot_be_compiled_is_not_tried_again_at_each_level(
        self, executors: Executors
    ) -> None:
        levels = 12
        text = (
            "{ it "
            + "".join(f"{{ a b f{n}: a more " for n in range(levels))
            + "{ called { a } }"
            + "}" * levels
            + "}"
        )
        for _ in range(30):
            await executors.compiling.execute(text)
        fields = 4 * levels + 3
        assert written(executors) <= 2 * fields

    async def test_distinct_documents_at_the_limits_cannot_starve_others(
        self, executors: Executors
    ) -> None:
        """Between two requests of others the attacker's document is executed once."""

        def attack(n: int) -> str:
            inner = " ".join(f"g{n}_{k}: a" for k in range(40))
            chain = "{ a b more " * 14 + f"{{ {inner} called {{ a }} }}" + "}" * 14
            return f"{{ it {chain} other: it {{ {inner} }} }}"

        light = "{ it { a } }"
        runs = 0
        before = 0
        for n in range(40):
            for _ in range(3):
                await executors.compiling.execute(attack(n))
                runs += 1
                now = written(executors)
                assert now - before <= MAX_FUNCTION
                await executors.compiling.execute(light)
                before = written(executors)
        executed = runs + runs
        assert written(executors) <= FIELDS_PER_RUN * executed

    async def test_the_variants_of_a_document_share_its_allowance(
        self, executors: Executors
    ) -> None:
        names = [f"v{n}" for n in range(4)]
        parameters = ", ".join(f"${name}: Boolean!" for name in names)
        fields = " ".join(
            f"{name}_{k}: a @include(if: ${name})" for name in names for k in range(20)
        )
        text = f"query ({parameters}) {{ it {{ {fields} }} }}"
        for run in range(1, 17):
            values = {name: bool(run >> place & 1) for place, name in enumerate(names)}
            await executors.compiling.execute(text, variable_values=values)
            assert document(executors).allowance.written <= FIELDS_PER_RUN * run
