"""Forward paging in GraphQL (Relay's cursor connections): arguments, cursors, `PageInfo`."""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Annotated, Protocol
from uuid import UUID

import strawberry

from chassis.errors import BadUserInput
from chassis.paging import Page, PageRequest

LARGEST_PAGE = 100
"""Items."""

After = Annotated[
    str | None,
    strawberry.argument(
        description="The `endCursor` of the previous page; null for the first page."
    ),
]


class Edge(Protocol):
    cursor: str


@strawberry.federation.type(
    shareable=True, description="The position of a page in its list (Relay cursor connections)."
)
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more items follow this page.")
    has_previous_page: bool = strawberry.field(description="Whether items precede this page.")
    start_cursor: str | None = strawberry.field(
        description="The cursor of the first item; null for an empty page."
    )
    end_cursor: str | None = strawberry.field(
        description="The cursor of the last item: pass it as `after` to get the next page."
    )

    @classmethod
    def of(cls, page: "Page[object]", edges: Sequence[Edge]) -> "PageInfo":
        """Return the information about `page`, whose items are the nodes of `edges`."""
        return cls(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        )


def page_request(first: int, after: str | None) -> PageRequest:
    """Validate the paging arguments and return them. Raises BadUserInput for an invalid one."""
    if not 1 <= first <= LARGEST_PAGE:
        raise BadUserInput(f"`first` must be between 1 and {LARGEST_PAGE}.")
    if after is None:
        return PageRequest(first)
    try:
        return PageRequest(first, UUID(bytes=position_of(after)))
    except ValueError:
        raise BadUserInput(
            "`after` is not a cursor of this connection. Use the `endCursor` of the previous page."
        ) from None


def cursor(position: bytes) -> str:
    """Return the cursor for a position in a list: URL-safe base 64 without padding."""
    return urlsafe_b64encode(position).rstrip(b"=").decode()


def position_of(cursor: str) -> bytes:
    """Return the position that a cursor stands for. Raises ValueError."""
    if "=" in cursor:
        raise ValueError("a cursor has no padding")
    return b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
