"""Pagination in use cases: the request for a page, and the page. GraphQL has types of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Requests the `first` items of a list that is ordered by id, or those after the id `after`."""

    first: int
    after: UUID | None = None
    """The id of an item. It marks a position even after the item was deleted."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """Consecutive items of a list, and whether other items precede or follow them."""

    items: Sequence[T_co] = ()
    has_next: bool = False
    has_previous: bool = False
