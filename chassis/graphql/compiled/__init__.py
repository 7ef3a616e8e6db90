"""A drop-in executor for Strawberry that compiles what an operation asks for.

`strawberry.Schema(execution_context_class=CompilingExecutor)` is all there is to it. It depends on
graphql-core and Strawberry and on nothing else.

What is compiled: selections of plain attributes of Strawberry types, in lists or not, through
fragments, unions and interfaces, become one function; resolvers are called straight, with variables
and arguments of which is known where they go. What is not: fields with permissions or extensions,
exception handlers around what is called at once, properties, selections under `@defer` or
`@stream`, and everything in a schema with an extension that has a `resolve` hook. Whatever is not
compiled, and whatever turns out at run time not to be as the compiled code wants it, graphql-core
does from the start: its errors, their paths and the spreading of null are its own.
"""

from .executor import CompilingExecutor

__all__ = ["CompilingExecutor"]
