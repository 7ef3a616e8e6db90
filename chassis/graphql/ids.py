"""Parses the ids that clients send."""

from uuid import UUID


def parse_id(text: str) -> UUID | None:
    """Return the id, or None if the text is not a UUID in canonical form."""
    try:
        known = UUID(text)
    except ValueError:
        return None
    return known if str(known) == text else None
