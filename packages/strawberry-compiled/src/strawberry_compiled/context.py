"""graphql-core's executor as Strawberry extends it, with a short cut where there is a plan."""

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from graphql import (
    DocumentNode,
    GraphQLAbstractType,
    GraphQLError,
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    Middleware,
    MiddlewareManager,
    OperationType,
    default_field_resolver,
    default_type_resolver,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList, collect_fields
from graphql.execution.values import VariableValues
from graphql.pyutils import Path
from graphql.pyutils.is_awaitable import is_awaitable
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from .operations import Operation
from .plans import DocumentPlans, Plans, Root, document_plans
from .recognition import STOCK
from .versions import log, report, untested

_KEPT = frozenset(
    {
        "__init__",
        "build",
        "build_per_event_executor",
        "build_resolve_info",
        "build_response",
        "gather_async_work",
        "handle_field_error",
        "run_async_work_finished_hook",
        "settle_in_background",
        "track_async_work",
    }
)
"""Methods of the stock executor that are called as often with plans as without."""

_UNTESTED = untested()


class CompilingExecutionContext(StrawberryGraphQLCoreExecutionContext):
    """An execution context for `strawberry.Schema` that compiles what documents select.

    A subclass may override `__init__`, `build`, `build_per_event_executor` and `build_response`.
    Where it overrides another method of the stock executor, nothing is compiled: compiled code
    would not call that method.
    """

    force: ClassVar[bool] = False
    """Compile also with a version of Strawberry or graphql-core that was not tested."""

    _document: DocumentPlans | None = None
    _plans: Plans | None = None

    @classmethod
    def build(
        cls,
        schema: GraphQLSchema,
        document: DocumentNode,
        root_value: Any = None,
        context_value: Any = None,
        raw_variable_values: dict[str, Any] | None = None,
        operation_name: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> list[GraphQLError] | Executor[Any]:
        known = document_plans(schema, document) if not obstacle(cls) else None
        executor: list[GraphQLError] | Executor[Any] | None = None
        if known is not None:
            document = known.document() or document
            operation = known.operation(schema, document, operation_name)
            variables = operation.variables(raw_variable_values or {}) if operation else None
            if operation is not None and variables is not None:
                executor = cls._of(
                    operation, variables, schema, root_value, context_value, *args, **kwargs
                )
        if executor is None:
            executor = super().build(
                schema,
                document,
                root_value,
                context_value,
                raw_variable_values,
                operation_name,
                *args,
                **kwargs,
            )
        if known is not None and isinstance(executor, CompilingExecutionContext):
            executor.use(known)
        return executor

    @classmethod
    def _of(
        cls,
        operation: Operation,
        variables: VariableValues,
        schema: GraphQLSchema,
        root_value: Any,
        context_value: Any,
        field_resolver: Any = None,
        type_resolver: Any = None,
        subscribe_field_resolver: Any = None,
        max_coercion_errors: int = 50,
        enable_early_execution: bool = False,
        middleware: Middleware | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> "CompilingExecutionContext | None":
        """Return what `build` returns for a valid operation; the arguments are graphql-core's."""
        if middleware is not None and not isinstance(middleware, MiddlewareManager):
            return None
        return cls(
            schema,
            operation.fragment_definitions.copy(),
            operation.fragments.copy(),
            root_value,
            context_value,
            operation.node,
            variables,
            field_resolver or default_field_resolver,
            type_resolver or default_type_resolver,
            subscribe_field_resolver or default_field_resolver,
            enable_early_execution,
            middleware,
            *args,
            **kwargs,
        )

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        # Once there are plans, the executor of each event is a copy that has them.
        if self._plans is None and self._document is not None:
            self.use(self._document)
        return super().build_per_event_executor(payload)

    def use(self, document: DocumentPlans) -> None:
        """Complete by the plans of this document, where only the executor is involved.

        Middleware (an extension's `resolve`) must see every field, another `is_awaitable` might
        find something to await in data, and an abort signal or hooks belong to the stock executor.
        """
        middleware = self.middleware_manager
        if (
            (
                middleware is None
                or (type(middleware) is MiddlewareManager and not middleware.middlewares)
            )
            and self.is_awaitable in (optimized_is_awaitable, is_awaitable)
            and self.abort_signal is None
            and self.hooks is None
        ):
            self._document = document
            self._plans = document.plans(self.operation, self.variable_values.coerced)
            if self._plans is not None and not isinstance(self, WithPlans):
                self.__class__ = _with_plans(type(self))


class WithPlans(CompilingExecutionContext):
    """What an execution context becomes once there are plans for its operation.

    Until then, and while it completes a value whose plan failed, it is the stock executor itself:
    as fast, and with no deeper a stack. Where `position_context` is set, inside `@defer` and
    `@stream`, nothing is compiled.
    """

    _without: type[CompilingExecutionContext]
    """The class that it was."""

    def execute_operation(self, serially: bool | None = None) -> Any:
        root = self._root()
        if root is None or serially not in (None, root.serially):
            return super().execute_operation(serially)
        execute = self.execute_fields_serially if root.serially else self.execute_fields
        try:
            data: Any = execute(root.type_, self.root_value, None, root.fields, None)
        except GraphQLError as error:
            return self._without_data(error)
        return self._await_response(data) if self.is_awaitable(data) else self.build_response(data)

    async def _await_response(self, data: Awaitable[dict[str, Any]]) -> Any:
        try:
            return self.build_response(await data)
        except GraphQLError as error:
            return self._without_data(error)

    def _without_data(self, error: GraphQLError) -> Any:
        self.collected_errors.add(error, None)
        return self.build_response(None)

    def _root(self) -> Root | None:
        """Return the fields of the operation, collected once; None where graphql-core must."""
        if self._plans is None:
            return None
        roots, operation = self._plans.roots, self.operation
        root = roots.get(id(operation))
        if root is None:
            type_ = self.schema.get_root_type(operation.operation)
            if type_ is None:
                return None
            try:
                found = collect_fields(
                    self.schema, self.fragments, self.variable_values, type_, operation
                )
            except Exception:  # graphql-core meets it again
                return None
            if found.new_defer_usages:
                return None
            serially = operation.operation is OperationType.MUTATION
            root = roots[id(operation)] = Root(operation, type_, found.grouped_field_set, serially)
        return root

    def _usable(self, position_context: object) -> Plans | None:
        """Return the plans, where they may be used."""
        plans = self._plans
        if plans is None or position_context is not None:
            return None
        return plans if plans.hold(self.variable_values.coerced) else None

    @contextmanager
    def _stock(self) -> Iterator[None]:
        """Be the stock executor inside a value whose plan failed.

        What the stock executor leaves to await here is completed later, by plans again.
        """
        with_plans = type(self)
        self.__class__ = self._without  # type: ignore[assignment]
        try:
            yield
        finally:
            self.__class__ = with_plans

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: FieldDetailsList,
        path: Path,
        position_context: Any,
    ) -> Any:
        plans, stock = self._usable(position_context), super().execute_field
        if plans is None:
            return stock(parent_type, source, field_details_list, path, position_context)
        if data := plans.attributes.find(self, parent_type, field_details_list):
            completed = data(source)
            if completed is not STOCK:
                return completed
            with self._stock():
                return stock(parent_type, source, field_details_list, path, position_context)
        call = plans.calls.find(self, parent_type, field_details_list)
        if call is not None and call.run is not None:
            completed = call.run(self, source, path)
            if completed is not STOCK:
                return completed
        return stock(parent_type, source, field_details_list, path, position_context)

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        return self._complete(
            super().complete_object_value,
            (return_type, field_details_list, info, path, result, position_context),
        )

    def complete_abstract_value(
        self,
        return_type: GraphQLAbstractType,
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        return self._complete(
            super().complete_abstract_value,
            (return_type, field_details_list, info, path, result, position_context),
        )

    def complete_list_value(
        self,
        return_type: GraphQLList[GraphQLOutputType],
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        return self._complete(
            super().complete_list_value,
            (return_type, field_details_list, info, path, result, position_context),
        )

    def _complete(self, stock: Any, arguments: tuple[Any, ...]) -> Any:
        return_type, field_details_list, _, _, result, position_context = arguments
        plans = self._usable(position_context)
        if plans is None:
            return stock(*arguments)
        plan = plans.values.find(self, return_type, field_details_list)
        if plan is None:
            return stock(*arguments)
        completed = plan(result)
        if completed is not STOCK:
            return completed
        with self._stock():
            return stock(*arguments)


_WITH_PLANS: dict[type, type[WithPlans]] = {}
_OBSTACLES: dict[type, str] = {}


def _with_plans(cls: type[CompilingExecutionContext]) -> type[WithPlans]:
    """Return the class to which contexts of this class change once they have plans."""
    found = _WITH_PLANS.get(cls)
    if found is None:
        bases = (WithPlans,) if cls is CompilingExecutionContext else (WithPlans, cls)
        found = type(cls.__name__, bases, {"_without": cls, "__module__": cls.__module__})
        _WITH_PLANS[cls] = found
    return found


def obstacle(cls: type[CompilingExecutionContext]) -> str:
    """Return why nothing is compiled in this class; log it once. Empty where nothing is wrong."""
    found = _OBSTACLES.get(cls)
    if found is None:
        found = _OBSTACLES[cls] = _obstacle(cls)
    return found


def _obstacle(cls: type[CompilingExecutionContext]) -> str:
    if _UNTESTED and not cls.force:
        report(_UNTESTED)
        return f"{_UNTESTED} was not tested"
    if overridden := _overridden(cls):
        found = f"{cls.__qualname__} overrides {', '.join(overridden)}"
        log.warning("%s, which compiled code would not call; nothing is compiled.", found)
        return found
    return ""


def _overridden(cls: type) -> list[str]:
    """Return the methods of the stock executor that compiled code would not call as it should.

    Also those of a class that comes behind ours in the order of resolution.
    """
    known = {*CompilingExecutionContext.__mro__, WithPlans}
    ours = {name for base in known for name in vars(base) if callable(getattr(base, name))}
    return sorted(
        {
            name
            for base in cls.__mro__
            if base not in known
            for name in vars(base)
            if name in ours - _KEPT and name not in vars(object)
        }
    )
