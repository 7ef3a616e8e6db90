"""Where compiled selections are kept: with the schema, by document, by the variables that matter.

A plan is found only from the very document (by identity, not by text) and the very nodes that it
was compiled from, so it can answer for no other.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from weakref import ReferenceType, ref

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLType,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
)
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet

from .operations import Operation, find_operation

DOCUMENTS = 128
"""How many documents of a schema have plans, at most: as many as Strawberry's ParserCache holds."""
VARIANTS = 16
"""How many combinations of the variables of its directives one document has plans for."""
COMPILE_FROM = 2
"""At which time that it comes a document is compiled: one that comes once is not worth it."""
CREDIT = 8
"""How often a plan may fail in a row before it rests."""
REST = 1000
"""How often a plan is then passed over before it is tried again."""

STOCK = object()
"""What a plan answers where only the stock executor can."""

Run = Callable[..., Any]
Compile = Callable[[Any, Any, FieldDetailsList], Run | None]

_EXTENSION = "compiled-selections"
_CONDITIONS = frozenset({"skip", "include", "defer", "stream"})


class Plan:
    """One compiled selection; it steps aside while it keeps failing."""

    __slots__ = ("credit", "keeps", "run")

    def __init__(self, run: Run | None, keeps: tuple[object, ...]) -> None:
        self.run = run
        self.credit = CREDIT if run else 0
        # Plans are found by the identity of these: as long as there is a plan, they live.
        self.keeps = keeps

    def __call__(self, value: Any) -> Any:
        """The completed value, or STOCK."""
        assert self.run is not None  # noqa: S101  (a plan that cannot run has no credit)
        try:
            completed = self.run(value)
        except Exception:  # whatever it is: the stock executor meets it again
            self.credit = self.credit - 1 or -REST
            return STOCK
        self.credit = CREDIT
        return completed


class Root(NamedTuple):
    """The fields of an operation."""

    operation: OperationDefinitionNode
    type_: GraphQLObjectType
    fields: GroupedFieldSet
    serially: bool


class PlanTable:
    """Plans by type and selection."""

    __slots__ = ("_plans",)

    def __init__(self) -> None:
        self._plans: dict[tuple[int, ...], Plan] = {}

    def find(
        self,
        executor: object,
        type_: GraphQLType,
        selection: FieldDetailsList,
        compile_: Compile,
    ) -> Plan | None:
        """The plan for what this selection selects of `type_`; compiled when first asked for."""
        key: tuple[int, ...]
        if len(selection) == 1:
            key = (id(type_), id(selection[0].node))
        else:
            key = (id(type_), *(id(details.node) for details in selection))
        plan = self._plans.get(key)
        if plan is None:
            keeps = (type_, *(details.node for details in selection))
            plan = self._plans[key] = Plan(compile_(executor, type_, selection), keeps)
        if plan.credit > 0:
            return plan
        if plan.run is not None:
            plan.credit += 1
        return None


class Plans:
    """What is compiled of a document, for some values of the variables of its directives.

    Fields that are data and calls of resolvers by the type that has the field, values by their
    type, the fields of an operation's root by the operation.
    """

    __slots__ = ("_conditions", "calls", "fields", "roots", "values")

    def __init__(self, conditions: Mapping[str, object]) -> None:
        self._conditions = conditions
        self.fields = PlanTable()
        self.values = PlanTable()
        self.calls = PlanTable()
        self.roots: dict[int, Root] = {}

    def hold(self, variables: Mapping[str, Any]) -> bool:
        """Whether the variables are still as they were: a resolver may have changed them."""
        return all(variables.get(name) is value for name, value in self._conditions.items())


class DocumentPlans:
    """The plans of one document under one schema."""

    __slots__ = ("_conditions", "_operations", "_uses", "_variants", "document")

    def __init__(self, document: "ReferenceType[DocumentNode]") -> None:
        self.document = document
        self._uses = 0
        self._conditions: tuple[str, ...] | None = None
        self._variants: dict[tuple[Any, ...], Plans] = {}
        self._operations: dict[str | None, Operation] = {}

    def operation(
        self, schema: GraphQLSchema, document: DocumentNode, name: str | None
    ) -> Operation | None:
        """The operation of this name; None where there is to be no plan."""
        if self._uses + 1 < COMPILE_FROM:
            return None
        operation = self._operations.get(name)
        if operation is None:
            operation = find_operation(schema, document, name)
            if operation and len(self._operations) < VARIANTS:
                self._operations[name] = operation
        return operation

    def plans(self, variables: Mapping[str, Any]) -> Plans | None:
        """None where there is to be no plan."""
        self._uses += 1
        if self._uses < COMPILE_FROM:
            return None
        if self._conditions is None and (document := self.document()):
            self._conditions = conditions(document)
        if self._conditions is None:
            return None
        variant = tuple([variables.get(name) for name in self._conditions])
        if not all(type(value) is bool for value in variant):
            return None
        plans = self._variants.get(variant)
        if plans is None and len(self._variants) < VARIANTS:
            plans = Plans(dict(zip(self._conditions, variant, strict=True)))
            self._variants[variant] = plans
        return plans


def conditions(document: DocumentNode) -> tuple[str, ...] | None:
    """The variables that decide what is selected; None where fragments have variables (draft)."""
    names: dict[str, None] = {}
    for definition in document.definitions:
        if isinstance(definition, FragmentDefinitionNode) and definition.variable_definitions:
            return None
        if isinstance(definition, (OperationDefinitionNode, FragmentDefinitionNode)):
            for node in _selections(definition.selection_set):
                for directive in node.directives or ():
                    if directive.name.value in _CONDITIONS:
                        for argument in directive.arguments or ():
                            if isinstance(argument.value, VariableNode):
                                names[argument.value.name.value] = None
    return tuple(names)


def _selections(selection_set: SelectionSetNode) -> Iterator[SelectionNode]:
    pending = [selection_set]
    while pending:
        for node in pending.pop().selections:
            yield node
            if isinstance(node, (FieldNode, InlineFragmentNode)) and node.selection_set:
                pending.append(node.selection_set)


class SchemaPlans:
    """The documents of one schema that have plans, the latest used last."""

    def __init__(self, schema: GraphQLSchema | None = None) -> None:
        self.schema = schema
        self._documents: dict[int, DocumentPlans] = {}

    def __reduce__(self) -> tuple[type["SchemaPlans"], tuple[()]]:
        return SchemaPlans, ()  # copied or pickled with its schema, it is nobody's

    def __len__(self) -> int:
        return len(self._documents)

    def of(self, document: DocumentNode) -> DocumentPlans:
        key = id(document)
        plans = self._documents.pop(key, None)
        if plans is None or plans.document() is not document:
            if len(self._documents) >= DOCUMENTS:
                oldest = list(self._documents)[0]  # noqa: RUF015  (in one step: there are threads)
                self._documents.pop(oldest, None)
            plans = DocumentPlans(ref(document, lambda gone: self._forget(key, gone)))
        self._documents[key] = plans
        return plans

    def _forget(self, key: int, document: "ReferenceType[DocumentNode]") -> None:
        plans = self._documents.get(key)
        if plans is not None and plans.document is document:
            self._documents.pop(key, None)


def schema_plans(schema: GraphQLSchema) -> SchemaPlans:
    """The plans that hang on this very schema: a copy has copied its extensions too."""
    plans = schema.extensions.get(_EXTENSION)
    if not isinstance(plans, SchemaPlans) or plans.schema is not schema:
        plans = schema.extensions[_EXTENSION] = SchemaPlans(schema)
    return plans


def document_plans(schema: GraphQLSchema, document: DocumentNode) -> DocumentPlans:
    return schema_plans(schema).of(document)
