"""graphql-core's executor as Strawberry extends it, with a short cut where there is a plan."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLAbstractType,
    GraphQLError,
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    MiddlewareManager,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import Path
from graphql.pyutils.is_awaitable import is_awaitable
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from .plans import STOCK, DocumentPlans, Plans, document_plans
from .selection import compile_field, compile_value


class CompilingExecutor(StrawberryGraphQLCoreExecutionContext):
    """Completes data by compiled functions and leaves all else to the executor it extends.

    Inside `@defer` and `@stream` (where `position_context` is set) nothing is compiled.
    """

    _document: DocumentPlans | None = None
    _plans: Plans | None = None

    @classmethod
    def build(
        cls, schema: GraphQLSchema, document: DocumentNode, *args: Any, **kwargs: Any
    ) -> list[GraphQLError] | Executor[Any]:
        executor = super().build(schema, document, *args, **kwargs)
        if isinstance(executor, CompilingExecutor):
            executor.use(document_plans(schema, document))
        return executor

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        executor = super().build_per_event_executor(payload)
        if isinstance(executor, CompilingExecutor) and self._document is not None:
            executor.use(self._document)
        return executor

    def use(self, document: DocumentPlans) -> None:
        """Completes by the plans of this document, where nothing but the executor is to be asked.

        Middleware (an extension's `resolve`) wants to see every field, and another idea of what
        can be awaited might find something to await in data.
        """
        middleware = self.middleware_manager
        if (
            middleware is None
            or (type(middleware) is MiddlewareManager and not middleware.middlewares)
        ) and self.is_awaitable in (optimized_is_awaitable, is_awaitable):
            self._document = document
            self._plans = document.plans(self.variable_values.coerced)

    @contextmanager
    def _stock(self) -> Iterator[None]:
        """Nothing is tried again inside what could not be completed by a plan.

        What the stock executor leaves to await here is completed later, by plans again.
        """
        plans, self._plans = self._plans, None
        try:
            yield
        finally:
            self._plans = plans

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: FieldDetailsList,
        path: Path,
        position_context: Any,
    ) -> Any:
        stock = super().execute_field
        if self._plans is None or position_context is not None:
            return stock(parent_type, source, field_details_list, path, position_context)
        plan = self._plans.fields.find(self, parent_type, field_details_list, compile_field)
        if plan is None:
            return stock(parent_type, source, field_details_list, path, position_context)
        completed = plan(source)
        if completed is not STOCK:
            return completed
        with self._stock():
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
        if self._plans is None or position_context is not None:
            return stock(*arguments)
        plan = self._plans.values.find(self, return_type, field_details_list, compile_value)
        if plan is None:
            return stock(*arguments)
        completed = plan(result)
        if completed is not STOCK:
            return completed
        with self._stock():
            return stock(*arguments)
