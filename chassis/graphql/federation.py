"""Serves subscriptions whose selection leaves their subgraph (docs/adr/0030).

The subgraph runs the subscription for its events alone. The router completes each event: it runs
the client's own selection as a query (chassis/graphql/splitting.py).
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    GraphQLError,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    Visitor,
    get_operation_ast,
    visit,
)
from graphql.execution import get_variable_values
from strawberry.types.graphql import OperationType

from chassis.errors import VALIDATION_FAILED, BadUserInput
from chassis.graphql.completion import Completion
from chassis.graphql.completion_metrics import CompletionMetrics
from chassis.graphql.documents import CACHE_SIZE, LONGEST_CACHED
from chassis.graphql.live import LocalSubscribe
from chassis.graphql.router import Router
from chassis.graphql.schema import SubgraphSchema, classify, mask
from chassis.graphql.splitting import Split, split
from chassis.graphql.supergraph import Supergraph
from chassis.topology import stream_path
from graphql_streams import BadRequest, Operation, OperationFailed

_INCREMENTAL = {"defer", "stream"}


@dataclass(frozen=True, slots=True)
class _Plan:
    node: OperationDefinitionNode
    split: Split


class Federation:
    """Decides which subscriptions stay in the subgraph, and completes the others."""

    def __init__(
        self,
        schema: SubgraphSchema,
        supergraph: Supergraph,
        router: Router,
        metrics: CompletionMetrics,
    ) -> None:
        assert schema.service is not None  # noqa: S101  (only services are composed)
        self.router = router
        self._schema = schema
        self._service: str = schema.service
        self._supergraph = supergraph
        self._metrics = metrics
        self._cached = lru_cache(CACHE_SIZE)(self._plan)

    def subscribe(
        self, local: LocalSubscribe
    ) -> Callable[[Operation], AsyncGenerator[bytes, None]]:
        """Return what serves any subscription; `local` serves those of the subgraph."""

        def responses(operation: Operation) -> AsyncGenerator[bytes, None]:
            try:
                plan = self._plan_of(operation)
            except (OperationFailed, BadRequest) as refusal:
                return _refused(refusal)
            # A local subscription costs nothing more for its events.
            return local(operation) if plan is None else self._completed(local, plan, operation)

        return responses

    def _completed(
        self, local: LocalSubscribe, plan: _Plan, operation: Operation
    ) -> AsyncGenerator[bytes, None]:
        variables = operation.request.variables or {}
        source = replace(
            operation.request,
            query=plan.split.source,
            variables={
                name: value
                for name, value in variables.items()
                if name in plan.split.source_variables
            },
        )
        completion = Completion.of(plan.split, operation, self.router, self._metrics)
        return local(replace(operation, request=source), completion)

    def _plan_of(self, operation: Operation) -> _Plan | None:
        """Return how to serve the operation; None for one that the subgraph serves or refuses.

        Raises OperationFailed or BadRequest.
        """
        request = operation.request
        read = self._cached if len(request.query) <= LONGEST_CACHED else self._plan
        plan = read(request.query, request.operation_name)
        if plan is not None:
            definitions = plan.node.variable_definitions or ()
            values = get_variable_values(self._supergraph.api, definitions, request.variables or {})
            if isinstance(values, list):
                for error in values:
                    classify(error, BadUserInput.code)
                raise OperationFailed(values)
        return plan

    def _plan(self, text: str, operation_name: str | None) -> _Plan | None:
        api, documents = self._supergraph.api, self._schema.documents
        try:
            document = documents.read(api, text, streamed=True)
        except GraphQLSyntaxError:
            return None
        if document.operations.get(operation_name) is not OperationType.SUBSCRIPTION:
            return None
        if errors := document.errors_of(operation_name):
            raise OperationFailed(_incremental(document.node) or [mask(error) for error in errors])
        node = get_operation_ast(document.node, operation_name)
        assert node is not None  # noqa: S101  (its type is known)
        field = document.roots[operation_name]
        servers = self._supergraph.servers(field)
        if self._service not in servers:
            paths = " or ".join(sorted(map(stream_path, servers)))
            raise BadRequest(f"Subscribe to `{field}` at {paths}.")
        foreign = self._supergraph.foreign_field(document.node, node, self._service)
        own = documents.read(self._schema._schema, text, streamed=True)  # noqa: SLF001
        if foreign is None and not own.errors:
            return None
        entry = self._schema.entries.get(field)
        if entry is None:
            errors = own.errors
            if foreign:
                message = f"`{field}` serves fields of {self._service} only, not `{foreign}`."
                errors = [GraphQLError(message, extensions={"code": VALIDATION_FAILED})]
            raise OperationFailed([mask(error) for error in errors])
        return _Plan(node, split(api, document.node, node, entry))


async def _refused(refusal: OperationFailed | BadRequest) -> AsyncGenerator[bytes, None]:
    raise refusal
    yield


def _incremental(document: DocumentNode) -> list[GraphQLError]:
    """Return the error of a document with `@defer` or `@stream`; empty for another."""
    found: list[DirectiveNode] = []

    class Find(Visitor):
        def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
            if node.name.value in _INCREMENTAL:
                found.append(node)

    visit(document, Find())
    return [
        GraphQLError(
            f"A subscription sends each event whole. Remove `@{node.name.value}`.",
            nodes=[node],
            extensions={"code": VALIDATION_FAILED},
        )
        for node in found[:1]
    ]
