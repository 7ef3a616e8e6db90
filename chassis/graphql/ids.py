"""Ids as clients send them."""

from uuid import UUID


def parse_id(text: str) -> UUID | None:
    """The id, if it is written as we write ids; None for what cannot be the id of anything."""
    try:
        known = UUID(text)
    except ValueError:
        return None
    return known if str(known) == text else None
