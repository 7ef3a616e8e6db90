"""Finds links and anchors in Markdown as GitHub reads it, and replaces links."""

import re
from collections import Counter
from collections.abc import Callable

_CODE = re.compile(r"(^[ ]*```.*?^[ ]*```|`[^`\n]*`)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(\]\()([^)\s]+)|(\b(?:src|href)=\")([^\"]+)")
_HEADING = re.compile(r"^#+ +(.+?)[ #]*$", re.MULTILINE)
_ELSEWHERE = re.compile(r"[a-z]+:")


def links(text: str) -> list[str]:
    """Return the targets of links and images, but for those inside code and to other hosts."""
    found = (link or source for _, link, _, source in _LINK.findall(_CODE.sub("", text)))
    return [target for target in found if not _ELSEWHERE.match(target)]


def replace(text: str, target: Callable[[str], str]) -> str:
    """Replace the targets of links and images, but for those inside code and to other hosts."""

    def replaced(match: re.Match[str]) -> str:
        before, link = match[1] or match[3], match[2] or match[4]
        return match[0] if _ELSEWHERE.match(link) else before + target(link)

    parts = _CODE.split(text)
    parts[::2] = [_LINK.sub(replaced, part) for part in parts[::2]]
    return "".join(parts)


def without_links(text: str) -> str:
    """Return the text with what each link shows in its place."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.findall(re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.M)):
        shown = without_links(heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found
