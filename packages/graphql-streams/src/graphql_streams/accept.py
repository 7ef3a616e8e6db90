"""Parses the Accept header (RFC 9110)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105  (a grammar's token)
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PARAMETER = re.compile(rf"\s*;\s*(?:({_TOKEN})\s*=\s*({_TOKEN}|{_QUOTED}))?")
_RANGE = re.compile(
    rf"\s*({_TOKEN}/{_TOKEN})((?:\s*;\s*(?:{_TOKEN}\s*=\s*(?:{_TOKEN}|{_QUOTED}))?)*)\s*"
)


@dataclass(frozen=True, slots=True)
class MediaRange:
    """A media type that a client accepts; parameter names are in lower case."""

    name: str
    parameters: dict[str, str]

    @property
    def quality(self) -> float:
        try:
            return float(self.parameters.get("q", "1"))
        except ValueError:
            return 0.0


def media_ranges(headers: Iterable[str]) -> list[MediaRange]:
    """Return the well-formed media ranges of the headers by quality, without those of q=0."""
    ranges = []
    for header in headers:
        position = 0
        while position < len(header):
            if match := _RANGE.match(header, position):
                position = match.end()
                if position == len(header) or header[position] == ",":
                    ranges.append(MediaRange(match[1].lower(), _parameters(match[2])))
            # Skip to the next comma, over a malformed range.
            comma = header.find(",", position)
            position = comma + 1 if comma >= 0 else len(header)
    accepted = [each for each in ranges if each.quality > 0]
    return sorted(accepted, key=lambda each: -each.quality)


def _parameters(text: str) -> dict[str, str]:
    return {
        match[1].lower(): re.sub(r"\\(.)", r"\1", match[2][1:-1])
        if match[2][0] == '"'
        else match[2]
        for match in _PARAMETER.finditer(text)
        if match[1]
    }
