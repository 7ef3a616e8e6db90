"""A pytest plugin that makes the compiling executor the default, for upstream's own tests.

Every document is compiled at its first execution: most tests execute theirs only once. Writes to
the file UPSTREAM_COMPILED how many values compiled code completed: it must not be none.
"""

import importlib
import os
from pathlib import Path
from typing import Any

from graphql.execution import Executor

from strawberry_compiled import CompilingExecutionContext, limits, plans
from strawberry_compiled.calls import Call
from strawberry_compiled.recognition import STOCK

completed = 0


class CoreExecutionContext(CompilingExecutionContext):
    """For graphql-core's tests: their resolvers take graphql-core's `info`, not Strawberry's."""

    build_resolve_info = Executor.build_resolve_info


def counted(method: Any) -> Any:
    def call(*arguments: Any) -> Any:
        global completed
        result = method(*arguments)
        completed += result is not STOCK
        return result

    return call


def pytest_sessionfinish() -> None:
    if path := os.environ.get("UPSTREAM_COMPILED"):
        Path(path).write_text(str(completed))


plans.COMPILE_FROM = 1  # type: ignore[attr-defined]
limits.FIELDS_PER_RUN = limits.MAX_FUNCTION
for class_ in (plans.Plan, Call):
    class_.__call__ = counted(class_.__call__)  # type: ignore[method-assign]
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
