"""Makes the compiling executor the default, to run upstream's own tests on it (a pytest plugin).

In a checkout of Strawberry or an unpacked source distribution of graphql-core:

    PYTHONPATH=/path/to/chirp pytest tests -p bench.upstream_suites

Every document is compiled the first time: most tests run each of theirs only once.
"""

import importlib
from typing import Any

from graphql.execution import Executor

from chassis.graphql.compiled import CompilingExecutor, plans


class CoreCompilingExecutor(CompilingExecutor):
    """For graphql-core's tests: their resolvers want graphql-core's `info`, not Strawberry's."""

    build_resolve_info = Executor.build_resolve_info


plans.COMPILE_FROM = 1
for name, attribute, executor in (
    ("graphql.execution.execute", "IncrementalExecutor", CoreCompilingExecutor),
    ("strawberry.schema.schema", "StrawberryGraphQLCoreExecutionContext", CompilingExecutor),
):
    module: Any = importlib.import_module(name)
    setattr(module, attribute, executor)
