"""Expected errors as data: members of a result union (docs/adr/0002)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import strawberry

from chassis.graphql.context import RequestContext

Raised = TypeVar("Raised", bound=Exception)
Shown = TypeVar("Shown")


@strawberry.interface(description="An error that a client should expect and handle.")
class Error:
    message: str = strawberry.field(description="The error in words that can be shown to the user.")


@dataclass(frozen=True, slots=True)
class ErrorAsData(Generic[Raised, Shown]):
    """Converts a domain exception into a member of a field's result union.

    A strawberry.ExceptionHandler; it applies to fields whose union contains `error_type`.
    """

    exception_type: type[Raised]
    error_type: type[Shown]
    convert: Callable[[Raised], Shown]

    @classmethod
    def saying(
        cls, exception_type: type[Raised], error_type: type[Shown], message: str
    ) -> "ErrorAsData[Raised, Shown]":
        """Return a handler with a constant `message`."""
        return cls(exception_type, error_type, lambda _: error_type(message=message))  # type: ignore[call-arg]

    def handle(self, exception: Raised, *, field: object, info: Any) -> Shown:
        if isinstance(context := info.context, RequestContext):
            context.outcome = self.error_type.__name__
        return self.convert(exception)
