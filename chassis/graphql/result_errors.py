"""Expected outcomes that are not what the caller wanted: data in a result union, not errors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import strawberry

from chassis.graphql.context import RequestContext

Raised = TypeVar("Raised", bound=Exception)
Shown = TypeVar("Shown")


@strawberry.interface(description="An expected outcome that is not what you wanted.")
class Error:
    message: str = strawberry.field(description="What happened, in words for people.")


@dataclass(frozen=True, slots=True)
class ErrorAsData(Generic[Raised, Shown]):
    """Shows a domain exception as a member of a field's result union.

    A strawberry.ExceptionHandler: it applies to the fields whose union holds `error_type`.
    """

    exception_type: type[Raised]
    error_type: type[Shown]
    convert: Callable[[Raised], Shown]

    @classmethod
    def saying(
        cls, exception_type: type[Raised], error_type: type[Shown], message: str
    ) -> "ErrorAsData[Raised, Shown]":
        """Return a handler for an exception that always has the same `message`."""
        return cls(exception_type, error_type, lambda _: error_type(message=message))  # type: ignore[call-arg]

    def handle(self, exception: Raised, *, field: object, info: Any) -> Shown:
        if isinstance(context := info.context, RequestContext):
            context.outcome = self.error_type.__name__
        return self.convert(exception)
