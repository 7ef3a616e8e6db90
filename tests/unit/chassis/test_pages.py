"""The pages that services render themselves: headers, escaping, and what a failure shows."""

import re
from base64 import b64encode
from hashlib import sha256

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from structlog.testing import capture_logs

from chassis.database import DatabaseUnavailableError
from chassis.errors import Overloaded
from chassis.pages import Field, Form, Link, page, page_route, product
from chassis.topology import declared

NASTY = '"><script>alert(1)</script>'


def html(response: Response) -> str:
    return bytes(response.body).decode()


class TestPage:
    def test_policy_allows_the_style_of_the_page_and_nothing_else(self) -> None:
        response = page("Hello")
        (style,) = re.findall("<style>(.*?)</style>", html(response), re.DOTALL)
        digest = b64encode(sha256(style.encode()).digest()).decode()
        policy = response.headers["content-security-policy"].split("; ")
        assert policy == [
            "default-src 'none'",
            f"style-src 'sha256-{digest}'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ]

    def test_title_names_the_product(self) -> None:
        assert product() == declared().project.title
        assert f"<title>Hello · {product()}</title>" in html(page("Hello"))

    def test_every_value_is_escaped(self) -> None:
        field = Field(NASTY, NASTY, {"placeholder": NASTY}, NASTY, NASTY, NASTY)
        form = Form(NASTY, NASTY, [field], {NASTY: NASTY})
        text = html(page(NASTY, NASTY, form=form, links=[Link(NASTY, NASTY)]))
        assert "<script" not in text
        assert NASTY not in text

    def test_headers_are_added_to_those_of_every_page(self) -> None:
        response = page("Wait", status=429, headers={"retry-after": "5"})
        assert response.status_code == 429
        assert response.headers["retry-after"] == "5"
        assert response.headers["cache-control"] == "no-store"


class TestRoute:
    @pytest.mark.parametrize(
        ("failure", "status", "logged"),
        [
            (HTTPException(415, "Send the form.", {"accept": "x"}), 415, False),
            (Overloaded(), 503, False),
            (DatabaseUnavailableError(), 503, True),
            (OSError(), 503, True),
            (KeyError("bug"), 500, True),
        ],
    )
    async def test_failure_is_a_page(self, failure: Exception, status: int, logged: bool) -> None:
        async def fail(_: Request) -> Response:
            raise failure

        transport = httpx.ASGITransport(Starlette(routes=[page_route("/page", fail)]))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            with capture_logs() as lines:
                answer = await client.get("/page", params={"token": "secret"})
        assert answer.status_code == status
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert ("Send the form." in answer.text) is (status == 415)
        assert [line["event"] for line in lines] == ["page failed"] * logged
        assert "secret" not in repr(lines)
