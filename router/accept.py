"""Regular expressions for Accept headers (RFC 9110) in the routes of the edge.

Envoy matches each of them (RE2) against the whole header, in which several Accept headers are
joined by commas. A type with `q=0`, or with a quality that is not a number, is refused.
"""

_SPACE = r"[ \t]*"
_TOKEN = r"[!#$%&'*+.^_`|~0-9a-z-]"  # noqa: S105  (a character of the grammar's token)
_TOKEN_BUT_Q = r"[!#$%&'*+.^_`|~0-9a-pr-z-]"  # noqa: S105
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_VALUE = f"(?:{_TOKEN}+|{_QUOTED})"

_QUALITY = r"q=(?:1(?:\.0*)?|0?\.[0-9]*[1-9][0-9]*)"
"""Above zero; `q=.5` is not in the grammar, but clients send it."""
_PARAMETER = f"(?:{_QUALITY}|(?:{_TOKEN_BUT_Q}{_TOKEN}*|q{_TOKEN}+)={_VALUE})"
_PARAMETERS = f"(?:{_SPACE};{_SPACE}{_PARAMETER}?)*"

_ELEMENT = f'(?:[^,"]|{_QUOTED})*'
"""Anything between two commas outside quotes."""


def _accepts(media_range: str) -> str:
    return f"(?i)(?:{_ELEMENT},)*{_SPACE}{media_range}{_PARAMETERS}{_SPACE}(?:,{_ELEMENT})*"


EVENT_STREAM = _accepts("text/event-stream")
"""Matches a header that accepts the answer of graphql-sse."""

MULTIPART_SUBSCRIPTION = _accepts(
    f'multipart/mixed{_PARAMETERS}{_SPACE};{_SPACE}subscriptionspec=(?:1\\.0|"1\\.0")'
)
"""Matches a header that accepts Apollo's multipart protocol, which only subscriptions use."""

HTML = _accepts("text/html")
"""Matches a header that accepts a page, as a browser sends it for a link."""

JSON = _accepts(r"(?:application/(?:json|graphql-response\+json|graphql\+json|\*)|\*/\*)")
"""Matches a header that accepts JSON, the router's content type."""
