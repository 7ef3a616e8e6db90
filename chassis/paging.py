"""Forward paging in the domain: a number of items after the position of an item."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Asks for the `first` items of a list, or for the `first` items after the item `after`."""

    first: int
    after: UUID | None = None
    """The id of an item, which may have been deleted since."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """Consecutive items of a list, and whether other items precede or follow them."""

    items: Sequence[T_co] = ()
    has_next: bool = False
    has_previous: bool = False
