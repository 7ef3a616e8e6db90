"""Sends the forms of pages as a browser does."""

from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx


def send_form(url: str, **entered: str) -> httpx.Response:
    """Open a page and send its form with the entered values."""
    with httpx.Client(trust_env=False, timeout=35) as browser:
        shown = browser.get(url)
        assert shown.status_code == 200, shown.text
        form = _Form(shown.text)
        assert entered.keys() == form.fields
        return browser.post(urljoin(url, form.action), data=form.hidden | entered)


class _Form(HTMLParser):
    """The form of a page: its target, its hidden values, the names of its fields."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.hidden: dict[str, str] = {}
        self.fields: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.action = given["action"]
        elif tag == "input" and given["type"] == "hidden":
            self.hidden[given["name"]] = given["value"]
        elif tag == "input":
            self.fields.add(given["name"])
