"""Parses the ids that clients send."""

from uuid import UUID


def parse_id(text: str) -> UUID | None:
    """Return the id, or None if the text is not a UUID in canonical form.

    `UUID` also accepts upper case, braces and `urn:uuid:`. One object would then have several ids,
    and clients and the router compare ids as text.
    """
    try:
        parsed = UUID(text)
    except ValueError:
        return None
    return parsed if str(parsed) == text else None
