"""A pytest plugin that makes the compiling executor the default, for upstream's own tests.

Every document is compiled at its first execution: most tests execute theirs only once.
"""

import importlib
from typing import Any

from graphql.execution import Executor

from strawberry_compiled import CompilingExecutionContext, limits, plans


class CoreExecutionContext(CompilingExecutionContext):
    """For graphql-core's tests: their resolvers take graphql-core's `info`, not Strawberry's."""

    build_resolve_info = Executor.build_resolve_info


plans.COMPILE_FROM = 1  # type: ignore[attr-defined]
limits.FIELDS_PER_RUN = limits.MAX_FUNCTION
for name, attribute, executor in (
    ("graphql.execution.execute", "IncrementalExecutor", CoreExecutionContext),
    (
        "strawberry.schema.schema",
        "StrawberryGraphQLCoreExecutionContext",
        CompilingExecutionContext,
    ),
):
    module: Any = importlib.import_module(name)
    setattr(module, attribute, executor)
