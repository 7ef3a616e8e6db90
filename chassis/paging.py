"""Forward paging as the domain sees it: a number of items after the place of an item."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The `first` items of a list, or the `first` after the place of the item `after`."""

    first: int
    after: UUID | None = None
    """The id of an item, which need not exist any more."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """Consecutive items of a list, and whether there are more on either side."""

    items: Sequence[T_co] = ()
    has_next: bool = False
    has_previous: bool = False
