"""Keeps compiled selections, per schema, document and values of variables in directives.

Plans are found by the identity of the document and of the nodes that they were compiled from, so
no plan is applied to another document.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from weakref import ReferenceType, ref

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from strawberry.schema.schema_converter import GraphQLCoreConverter

from .calls import Call
from .documents import DOCUMENTS, Documents
from .inputs import Conversions
from .limits import COMPILE_FROM, MAX_FUNCTION, Allowance, Measure, TooLarge
from .operations import Operation, find_operation
from .recognition import STOCK
from .writer import Writer

VARIANTS = 16
"""Combinations of the variables of its directives for which one document has plans."""
CREDIT = 8
"""Failures in a row after which a plan rests."""
REST = 1000
"""Look-ups for which a plan rests. Then one failure makes it rest again."""

_EXTENSION = "strawberry-compiled"
_CONDITIONS = frozenset({"skip", "include", "defer", "stream"})


class Plan:
    """One compiled selection; it rests while it keeps failing."""

    __slots__ = ("credit", "keeps", "run")

    def __init__(self, run: Callable[..., Any] | None, keeps: tuple[object, ...]) -> None:
        self.run = run
        self.credit = CREDIT if run else 0
        # Plans are found by the identity of these, which must live as long as the plan.
        self.keeps = keeps

    def __call__(self, value: Any) -> Any:
        """Return the completed value, or STOCK: graphql-core must do it."""
        assert self.run is not None  # noqa: S101  (a plan that cannot run has no credit)
        try:
            completed = self.run(value)
        except Exception:  # graphql-core will raise it
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
    """Plans by type and selection; the subclass makes them."""

    __slots__ = ("_document", "plans")

    def __init__(self, document: "DocumentPlans") -> None:
        self._document = document
        self.plans: dict[tuple[int, ...], Plan] = {}

    def find(self, executor: Executor[Any], type_: Any, selection: FieldDetailsList) -> Plan | None:
        """Return the plan for what this selection selects of `type_`; compile it the first time.

        None if it cannot be compiled, if it rests, or until more executions allow its size.
        """
        key = _key(type_, selection)
        plan = self.plans.get(key)
        if plan is None:
            size = self.size(executor, type_, selection)
            if size <= MAX_FUNCTION and size > self._document.allowance.fields:
                return None
            run = self.make(executor, type_, selection) if size <= MAX_FUNCTION else None
            plan = self.plans[key] = Plan(run, _keeps(type_, selection))
        if plan.credit > 0:
            return plan
        if plan.run is not None:
            plan.credit += 1
        return None

    def refuse(self, type_: object, selection: FieldDetailsList) -> None:
        """Note that there is no plan for this, so that no more work is spent on it."""
        self.plans.setdefault(_key(type_, selection), Plan(None, _keeps(type_, selection)))

    def size(self, executor: Executor[Any], type_: Any, selection: FieldDetailsList) -> int:
        """Return how many fields a plan would have."""
        raise NotImplementedError

    def make(
        self, executor: Executor[Any], type_: Any, selection: FieldDetailsList
    ) -> Callable[..., Any] | None:
        """Compile, at the expense of the document's allowance; None where it cannot be done."""
        raise NotImplementedError


def _key(type_: object, selection: FieldDetailsList) -> tuple[int, ...]:
    if len(selection) == 1:
        return (id(type_), id(selection[0].node))
    return (id(type_), *(id(details.node) for details in selection))


def _keeps(type_: object, selection: FieldDetailsList) -> tuple[object, ...]:
    return (type_, *(details.node for details in selection))


class ValuePlans(PlanTable):
    """Plans for values, by their type."""

    __slots__ = ()

    def size(
        self, executor: Executor[Any], type_: GraphQLOutputType, selection: FieldDetailsList
    ) -> int:
        return 1 + self._document.measure.fields(type_, selection)

    def make(
        self, executor: Executor[Any], type_: GraphQLOutputType, selection: FieldDetailsList
    ) -> Callable[..., Any] | None:
        return _written(self._document, self, executor, Writer.write_value, type_, selection)


class AttributePlans(PlanTable):
    """Plans for fields that are data, by the type of the object."""

    __slots__ = ("_values",)

    def __init__(self, document: "DocumentPlans", values: ValuePlans) -> None:
        super().__init__(document)
        self._values = values

    def size(
        self, executor: Executor[Any], type_: GraphQLObjectType, selection: FieldDetailsList
    ) -> int:
        field = executor.schema.get_field(type_, selection[0].node.name.value)
        return 1 + (self._document.measure.fields(field.type, selection) if field else 0)

    def make(
        self, executor: Executor[Any], type_: GraphQLObjectType, selection: FieldDetailsList
    ) -> Callable[..., Any] | None:
        write = Writer.write_attribute
        return _written(self._document, self._values, executor, write, type_, selection)


class Calls(PlanTable):
    """Calls of resolvers, by the type of the object."""

    __slots__ = ()

    def size(self, *_: object) -> int:
        return 1

    def make(
        self, executor: Executor[Any], type_: GraphQLObjectType, selection: FieldDetailsList
    ) -> Call | None:
        self._document.allowance.spend(1)
        try:
            return Call(executor, type_, selection, self._document.conversions)
        except Exception:  # graphql-core will raise it
            return None


def _written(
    document: "DocumentPlans",
    values: ValuePlans,
    executor: Executor[Any],
    write: Callable[[Writer, Any, FieldDetailsList], Callable[..., Any]],
    type_: object,
    selection: FieldDetailsList,
) -> Callable[..., Any] | None:
    writer = Writer(executor)
    try:
        return write(writer, type_, selection)
    except Exception:  # what cannot be compiled is left to graphql-core
        for refused, fields in writer.refused:
            values.refuse(refused, fields)
        return None
    finally:
        document.allowance.spend(max(1, writer.fields))


class Plans:
    """What is compiled of a document, for some values of the variables of its directives."""

    __slots__ = ("_conditions", "attributes", "calls", "roots", "values")

    def __init__(self, document: "DocumentPlans", conditions: Mapping[str, object]) -> None:
        self._conditions = conditions
        self.values = ValuePlans(document)
        self.attributes = AttributePlans(document, self.values)
        self.calls = Calls(document)
        self.roots: dict[int, Root] = {}

    def hold(self, variables: Mapping[str, Any]) -> bool:
        """Return whether the variables are still the same: a resolver may have changed them."""
        return all(variables.get(name) is value for name, value in self._conditions.items())


class DocumentPlans:
    """The plans of one document under one schema."""

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, reference: "ReferenceType[Any]"
    ) -> None:
        self.document: ReferenceType[DocumentNode] = reference
        self.allowance = Allowance()
        self.measure = Measure(schema, document)
        self.conversions = schema_plans(schema).conversions
        self._uses = 0
        self._conditions: tuple[str, ...] | None = None
        self._variants: dict[tuple[Any, ...], Plans] = {}
        self._operations: dict[str | None, Operation] = {}
        self._suited: dict[int, bool] = {}

    def operation(
        self, schema: GraphQLSchema, document: DocumentNode, name: str | None
    ) -> Operation | None:
        """Return the operation of this name; None where there is to be no plan."""
        if self._uses + 1 < COMPILE_FROM:
            return None
        operation = self._operations.get(name)
        if operation is None:
            operation = find_operation(schema, document, name)
            if operation and len(self._operations) < VARIANTS:
                self._operations[name] = operation
        return operation

    def plans(
        self, operation: OperationDefinitionNode, variables: Mapping[str, Any]
    ) -> Plans | None:
        """Count an execution and return its plans; None where there is to be no plan."""
        self._uses += 1
        self.allowance.run()
        if self._uses < COMPILE_FROM:
            return None
        if self._conditions is None and (document := self.document()):
            self._conditions = conditions(document)
        if self._conditions is None or not self._suits(operation):
            return None
        variant = tuple([variables.get(name) for name in self._conditions])
        if not all(type(value) is bool for value in variant):
            return None
        plans = self._variants.get(variant)
        if plans is None and len(self._variants) < VARIANTS:
            plans = Plans(self, dict(zip(self._conditions, variant, strict=True)))
            self._variants[variant] = plans
        return plans

    def variants(self) -> Iterator[Plans]:
        yield from self._variants.values()

    def _suits(self, operation: OperationDefinitionNode) -> bool:
        suits = self._suited.get(id(operation))
        if suits is None:
            try:
                self.measure.check(operation)
                suits = True
            except TooLarge:
                suits = False
            self._suited[id(operation)] = suits
        return suits


def conditions(document: DocumentNode) -> tuple[str, ...] | None:
    """Return the variables that decide what is selected; None where fragments have variables."""
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
        self.texts = Documents()
        self.conversions: Conversions | None = None
        converter = getattr(getattr(schema, "_strawberry_schema", None), "schema_converter", None)
        if isinstance(converter, GraphQLCoreConverter):
            self.conversions = Conversions(converter)
        self._documents: dict[int, DocumentPlans] = {}

    def __reduce__(self) -> tuple[type["SchemaPlans"], tuple[()]]:
        return SchemaPlans, ()  # a copy or a pickle of a schema starts without plans

    def __len__(self) -> int:
        return len(self._documents)

    def __iter__(self) -> Iterator[DocumentPlans]:
        return iter(list(self._documents.values()))

    def of(self, document: DocumentNode) -> DocumentPlans:
        """Return the plans of this document, or those of an equal one that was executed before."""
        plans = self._documents.get(id(document))
        if plans is None or plans.document() is not document:
            document = self.texts.known(document)
        key = id(document)
        plans = self._documents.pop(key, None)
        if plans is None or plans.document() is not document:
            assert self.schema is not None  # noqa: S101  (only a copy has none, and is replaced)
            if len(self._documents) >= DOCUMENTS:
                oldest = list(self._documents)[0]  # noqa: RUF015  (in one step: there are threads)
                self._documents.pop(oldest, None)
            reference = ref(document, lambda gone: self._forget(key, gone))
            plans = DocumentPlans(self.schema, document, reference)
        self._documents[key] = plans
        return plans

    def _forget(self, key: int, document: "ReferenceType[DocumentNode]") -> None:
        plans = self._documents.get(key)
        if plans is not None and plans.document is document:
            self._documents.pop(key, None)


def schema_plans(schema: GraphQLSchema) -> SchemaPlans:
    """Return this schema's own plans, never those copied from another."""
    plans = schema.extensions.get(_EXTENSION)
    if not isinstance(plans, SchemaPlans) or plans.schema is not schema:
        plans = schema.extensions[_EXTENSION] = SchemaPlans(schema)
    return plans


def document_plans(schema: GraphQLSchema, document: DocumentNode) -> DocumentPlans:
    return schema_plans(schema).of(document)
