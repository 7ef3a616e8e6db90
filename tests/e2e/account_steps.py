"""What a person does with the mails about their account: follows links and sends forms."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx

from client.api import Account, run
from tests.e2e.test_mail import Mailbox, part
from tests.stack import eventually

VERIFY, RESET = "/account/verify-email", "/account/reset-password"
RESTORE, FORGOT = "/account/restore-email", "/account/forgot-password"
ME = "{ me { email emailVerified } }"

_LINK = re.compile(r"https?://\S+?/account/\S+")
_CODE = re.compile(r"\b\d{4} \d{4}\b")


def address_of(account: Account) -> str:
    return f"{account.username}@example.com"


def links(mailbox: Mailbox, address: str, path: str) -> list[str]:
    """Return the links to a page in the mails to an address, the oldest first."""
    found = (_LINK.search(part(mail, "plain")) for mail in mailbox.to(address))
    return [link[0] for link in found if link and urlsplit(link[0]).path == path]


def newest_link(mailbox: Mailbox, address: str, path: str, count: int = 1) -> str:
    """Wait until `count` mails with a link to the page have arrived; return the last one."""
    eventually(
        lambda: len(links(mailbox, address, path)) >= count,
        f"{count} mails with a link to {path} have arrived",
    )
    return links(mailbox, address, path)[-1]


def short_code(mailbox: Mailbox, address: str, path: str) -> str:
    """Return the code to type in the newest mail with a link to the page."""
    link = newest_link(mailbox, address, path)
    (mail,) = [mail for mail in mailbox.to(address) if link in part(mail, "plain")]
    code = _CODE.search(part(mail, "plain"))
    assert code
    return code[0]


def send_form(link: str, **entered: str) -> httpx.Response:
    """Open a page and send its form with the entered values, as a browser does."""
    with httpx.Client(trust_env=False, timeout=35) as browser:
        shown = browser.get(link)
        assert shown.status_code == 200, shown.text
        form = _Form(shown.text)
        assert entered.keys() == form.fields
        return browser.post(urljoin(link, form.action), data=form.hidden | entered)


def confirm(edge: httpx.Client, mailbox: Mailbox, account: Account) -> None:
    """Prove the address of a new account with the link in its mail."""
    done = send_form(newest_link(mailbox, address_of(account), VERIFY))
    assert done.status_code == 200, done.text
    assert run(edge, ME, account)["me"]["emailVerified"] is True


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
