"""The link in every mail, and what is behind it."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from itsdangerous import URLSafeSerializer
from starlette.applications import Starlette

from chassis.settings import Secret
from notifier.errors import InvalidUnsubscribeToken
from notifier.unsubscribe import UnsubscribeLinks, unsubscribe_route
from tests.unit.notifier.fakes import ADA, GRACE

SECRET = "u" * 32
LINKS = UnsubscribeLinks("https://chirp.example/", Secret(SECRET))
URL = LINKS.url(ADA.id)


def token(of: object, *, secret: str = SECRET, salt: str = "notifier.unsubscribe") -> str:
    signed = URLSafeSerializer(secret, salt=salt).dumps(of)
    assert isinstance(signed, str)
    return signed


class TestLinks:
    def test_they_say_whose_they_are(self) -> None:
        address, _, signed = URL.partition("?token=")
        assert address == "https://chirp.example/email/unsubscribe"
        assert LINKS.user_id(signed) == ADA.id
        assert LINKS.url(GRACE.id) != URL

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
            token("retweets"),
            token(7),
            token([7, "retweets"]),
            token(["x", "retweets"]),
        ],
    )
    def test_what_was_not_signed_for_this_is_refused(self, signed: str) -> None:
        with pytest.raises(InvalidUnsubscribeToken):
            LINKS.user_id(signed)


@pytest.fixture
def unsubscribed() -> list[UUID]:
    return []


@pytest.fixture
async def client(unsubscribed: list[UUID]) -> AsyncIterator[httpx.AsyncClient]:
    async def unsubscribe(user_id: UUID) -> None:
        unsubscribed.append(user_id)

    app = Starlette(routes=[unsubscribe_route(LINKS, unsubscribe)])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://chirp.example") as client:
        yield client


class TestPage:
    async def test_looking_at_it_asks(
        self, client: httpx.AsyncClient, unsubscribed: list[UUID]
    ) -> None:
        for answer in (await client.get(URL), await client.head(URL)):
            assert answer.status_code == 200
        page = (await client.get(URL)).text
        assert '<form method="post">' in page
        assert "<script" not in page
        assert unsubscribed == []

    @pytest.mark.parametrize(
        "body",
        [
            {"data": {"List-Unsubscribe": "One-Click"}},
            {"files": {"List-Unsubscribe": (None, "One-Click")}},
            {},
        ],
    )
    async def test_one_click_unsubscribes(
        self, client: httpx.AsyncClient, unsubscribed: list[UUID], body: dict[str, object]
    ) -> None:
        answer = await client.post(URL, **body)  # type: ignore[arg-type]
        assert answer.status_code == 200
        assert "You are unsubscribed" in answer.text
        assert unsubscribed == [ADA.id]

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("address", ["/email/unsubscribe", f"{URL}x", f"{URL[:-1]}"])
    async def test_a_link_that_is_broken_does_nothing(
        self, client: httpx.AsyncClient, unsubscribed: list[UUID], method: str, address: str
    ) -> None:
        answer = await client.request(method, address)
        assert answer.status_code == 400
        assert "This link does not work" in answer.text
        assert unsubscribed == []

    async def test_other_methods_do_nothing(
        self, client: httpx.AsyncClient, unsubscribed: list[UUID]
    ) -> None:
        assert (await client.delete(URL)).status_code == 405
        assert unsubscribed == []

    async def test_nobody_else_learns_of_it(self, client: httpx.AsyncClient) -> None:
        headers = (await client.get(URL)).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "frame-ancestors 'none'" in policy
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
