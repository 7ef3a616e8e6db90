"""A drop-in executor for Strawberry that compiles the parts of an operation that are only data.

`strawberry.Schema(execution_context_class=CompilingExecutor)` is all there is to it. It depends on
graphql-core and Strawberry and on nothing else.

What is compiled: selections of plain attributes of Strawberry types, in lists or not, through
fragments, unions and interfaces. What is not: fields with a resolver, permission, extension or
argument, properties, selections under `@defer` or `@stream`, and everything in a schema with an
extension that has a `resolve` hook. Whatever is not compiled, and whatever turns out at run time
not to be as the compiled code wants it, graphql-core completes from the start: its errors, their
paths and the spreading of null are its own.
"""

from .executor import CompilingExecutor

__all__ = ["CompilingExecutor"]
