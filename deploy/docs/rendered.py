"""Checks the pages of the built site: they need no other host, and all Markdown became HTML."""

import re
from collections.abc import Iterator
from pathlib import Path

_LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"?(https?:)?//[^\s\">]+"
    r"|<link\b(?=[^>]*\brel=\"?(?:stylesheet|preload|preconnect|icon))[^>]*href=\"?(https?:)?//"
)
_CODE = re.compile(r"<(pre|code)\b.*?</\1>", re.DOTALL)
_RAW = {
    "a table": re.compile(r"\|\s*-{3,}"),
    "a code block": re.compile(r"```"),
    "a list": re.compile(r"^(?:<p>)?(?:- |\d+\. )\S", re.MULTILINE),
    "a link": re.compile(r"\]\([^)\s]+\)"),
}


def problems(site: Path) -> Iterator[str]:
    """Yield a line for each page that loads from another host or shows Markdown."""
    pages = sorted(site.rglob("*.html"))
    for page in pages:
        text = page.read_text()
        name = page.relative_to(site)
        for found in _LOADED.finditer(text):
            yield f"{name} loads from another host: {found[0]}"
        body = _CODE.sub("", text.partition("<article")[2].partition("</article>")[0])
        for what, pattern in _RAW.items():
            if raw := pattern.search(body):
                yield f"{name} shows {what} as text: {body[raw.start() :][:80]!r}"
    if not pages:
        yield "there is no page"
