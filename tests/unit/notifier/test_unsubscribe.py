"""The link to unsubscribe and its pages."""

import re
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from html import unescape

import httpx
import pytest
from itsdangerous import URLSafeSerializer
from starlette.applications import Starlette

from chassis.settings import Secret
from notifier.addresses import AddressDigests
from notifier.domain import UnsubscribeLink
from notifier.errors import InvalidUnsubscribeToken
from notifier.unsubscribe import UnsubscribeLinks, unsubscribe_routes
from tests.unit.notifier.fakes import ADA, GRACE

SECRET = "u" * 32


def links_of(*secrets: str) -> UnsubscribeLinks:
    keys = [Secret(secret) for secret in secrets]
    return UnsubscribeLinks("https://chirp.example/", keys, AddressDigests(keys))


LINKS = links_of(SECRET)
ADDRESS = "ada@example.com"
URL = LINKS.url(ADA.id, ADDRESS)
BACK = URL.replace("/email/unsubscribe?", "/email/subscribe?")
LINK = UnsubscribeLink(ADA.id, AddressDigests([SECRET]).of(ADDRESS))


def token(of: object, *, secret: str = SECRET, salt: str = "notifier.unsubscribe") -> str:
    signed = URLSafeSerializer(secret, salt=salt).dumps(of)
    assert isinstance(signed, str)
    return signed


class TestDigests:
    def test_digest_ignores_case(self) -> None:
        digests = AddressDigests([SECRET])
        assert digests.of("Ada@example.com") == digests.of("ada@EXAMPLE.com")
        assert digests.of("ada@example.com") != digests.of("ada@example.org")

    def test_digest_depends_on_the_key(self) -> None:
        new = AddressDigests(["new", SECRET])
        assert new.of(ADDRESS) != LINK.address
        assert new.all(ADDRESS) == [new.of(ADDRESS), LINK.address]


class TestLinks:
    def test_link_names_the_account_and_the_address(self) -> None:
        page, _, signed = URL.partition("?token=")
        assert page == "https://chirp.example/email/unsubscribe"
        assert LINKS.read(signed) == LINK
        assert len({URL, LINKS.url(GRACE.id, ADDRESS), LINKS.url(ADA.id, "a@example.com")}) == 3

    def test_link_does_not_show_the_address(self) -> None:
        payload = URL.partition("?token=")[2].partition(".")[0]
        assert b"ada" not in urlsafe_b64decode(payload + "==")

    def test_link_of_an_earlier_release_has_no_address(self) -> None:
        assert LINKS.read(token([ADA.id.hex, "retweets"])) == UnsubscribeLink(ADA.id)

    def test_link_signed_with_an_earlier_secret_is_valid(self) -> None:
        signed = URL.partition("?token=")[2]
        assert links_of("v" * 32, SECRET).read(signed) == LINK
        with pytest.raises(InvalidUnsubscribeToken):
            links_of("v" * 32).read(signed)

    @pytest.mark.parametrize(
        "signed",
        [
            "",
            "x",
            "ä.ö",
            token([ADA.id.hex, "retweets"], secret="v" * 32),
            token([ADA.id.hex, "retweets"], salt="another.purpose"),
            token([ADA.id.hex, "another-setting"]),
            token([ADA.id.hex]),
            token([]),
            token([ADA.id.hex, "retweets", "x"]),
            token([ADA.id.hex, "retweets", 7]),
            token([ADA.id.hex, "retweets", "eA==", "eA=="]),
            token("retweets"),
            token(7),
            token([7, "retweets"]),
            token(["x", "retweets"]),
        ],
    )
    def test_token_not_signed_for_this_purpose_is_refused(self, signed: str) -> None:
        with pytest.raises(InvalidUnsubscribeToken):
            LINKS.read(signed)


Changes = list[tuple[str, UnsubscribeLink]]


@pytest.fixture
def changes() -> Changes:
    """The changes that the pages have made."""
    return []


@pytest.fixture
async def client(changes: Changes) -> AsyncIterator[httpx.AsyncClient]:
    async def unsubscribe(link: UnsubscribeLink) -> None:
        changes.append(("off", link))

    async def resubscribe(link: UnsubscribeLink) -> None:
        changes.append(("on", link))

    app = Starlette(routes=unsubscribe_routes(LINKS, unsubscribe, resubscribe))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://chirp.example") as client:
        yield client


def form_of(page: str) -> str:
    """Return the target of the button of a page."""
    (action,) = re.findall(r'<form method="post"(?: action="([^"]*)")?>', page)
    return unescape(action)


class TestPage:
    async def test_get_asks_for_confirmation(
        self, client: httpx.AsyncClient, changes: Changes
    ) -> None:
        for answer in (await client.get(URL), await client.head(URL)):
            assert answer.status_code == 200
        page = (await client.get(URL)).text
        assert '<form method="post">' in page
        assert "<script" not in page
        assert changes == []

    @pytest.mark.parametrize(
        "body",
        [
            {"data": {"List-Unsubscribe": "One-Click"}},
            {"files": {"List-Unsubscribe": (None, "One-Click")}},
            {},
        ],
    )
    async def test_post_unsubscribes_whatever_its_body(
        self, client: httpx.AsyncClient, changes: Changes, body: dict[str, object]
    ) -> None:
        answer = await client.post(URL, **body)  # type: ignore[arg-type]
        assert answer.status_code == 200
        assert "You are unsubscribed" in answer.text
        assert "Turn them back on" in answer.text
        assert httpx.URL("https://chirp.example").join(form_of(answer.text)) == BACK
        assert changes == [("off", LINK)]

    async def test_link_that_was_used_leads_back(self, client: httpx.AsyncClient) -> None:
        page = (await client.get(URL)).text
        [link] = re.findall(r'<a href="([^"]*)">Turn them back on, if they are off</a>', page)
        assert httpx.URL("https://chirp.example").join(unescape(link)) == BACK

    async def test_same_token_resubscribes(
        self, client: httpx.AsyncClient, changes: Changes
    ) -> None:
        page = (await client.get(BACK)).text
        assert "Turn them back on" in page
        assert changes == []
        answer = await client.post(BACK)
        assert "Mails about retweets are back on" in answer.text
        assert changes == [("on", LINK)]
        assert httpx.URL("https://chirp.example").join(form_of(answer.text)) == URL

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize(
        "address", ["/email/unsubscribe", f"{URL}x", f"{URL[:-1]}", "/email/subscribe", f"{BACK}x"]
    )
    async def test_invalid_link_changes_nothing(
        self, client: httpx.AsyncClient, changes: Changes, method: str, address: str
    ) -> None:
        answer = await client.request(method, address)
        assert answer.status_code == 400
        assert "This link does not work" in answer.text
        assert changes == []

    async def test_other_methods_are_refused(
        self, client: httpx.AsyncClient, changes: Changes
    ) -> None:
        assert (await client.delete(URL)).status_code == 405
        assert changes == []

    async def test_page_leaks_no_token(self, client: httpx.AsyncClient) -> None:
        headers = (await client.get(URL)).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "frame-ancestors 'none'" in policy
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
