"""The pages of accounts through a real edge: what passes, and where no code appears."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest

from subgraphs.auth.links import FORGOT_PASSWORD, RESET_PASSWORD, RESTORE_EMAIL, VERIFY_EMAIL
from tests.account_pages import AccountPages, serving
from tests.e2e.test_edge import spoofed
from tests.stack import eventually
from tests.unit.auth.fake_accounts import ADA, CODE, TYPED

PASSWORD = "correct horse battery"
FORMS = {
    VERIFY_EMAIL: {"code": CODE},
    RESET_PASSWORD: {"code": CODE, "newPassword": PASSWORD},
    RESTORE_EMAIL: {"code": CODE},
    FORGOT_PASSWORD: {"email": ADA.email},
}
ALL_PAGES = pytest.mark.parametrize("path", FORMS)
BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccountPages]:
    with serving(tmp_path_factory.mktemp("pages")) as pages:
        yield pages


@pytest.fixture
def browser(pages: AccountPages) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=pages.url, headers=BROWSER, trust_env=False) as client:
        yield client


class TestPages:
    @ALL_PAGES
    def test_page_and_its_form_pass_the_edge(
        self, pages: AccountPages, browser: httpx.Client, path: str
    ) -> None:
        called = len(pages.calls())
        shown = browser.get(path, params={"code": CODE})
        assert shown.status_code == 200
        assert len(pages.calls()) == called
        # The browser would send what the page says.
        action = re.search(r'<form method="post" action="([^"]+)"', shown.text)
        assert action
        done = browser.post(unescape(action[1]), data=FORMS[path])
        assert done.status_code == 200
        assert len(pages.calls()) == called + 1
        for answer in (shown, done):
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")

    def test_identity_of_the_client_is_removed_and_its_address_is_the_edges(
        self, pages: AccountPages, browser: httpx.Client
    ) -> None:
        headers = spoofed(str(ADA.id), "guess") | {
            "authorization": "Bearer nonsense",
            "x-client-address": "203.0.113.9",
            "x-forwarded-for": "203.0.113.9",
        }
        answer = browser.post(FORGOT_PASSWORD, data=FORMS[FORGOT_PASSWORD], headers=headers)
        assert answer.status_code == 200
        received = pages.headers()[-1]
        assert received["x-client-address"] == "127.0.0.1"
        assert not {"authorization", "x-router-secret"} & received.keys()
        assert not [name for name in received if name.startswith("x-auth-")]
        assert pages.calls()[-1] == ["request_password_reset", ADA.email, "127.0.0.1"]

    @ALL_PAGES
    def test_other_methods_are_refused(self, browser: httpx.Client, path: str) -> None:
        for method in ("PUT", "DELETE", "OPTIONS"):
            assert browser.request(method, path).status_code == 405

    @ALL_PAGES
    @pytest.mark.parametrize("size", [9_000, 300_000])
    def test_large_form_is_413(self, browser: httpx.Client, path: str, size: int) -> None:
        answer = browser.post(path, data={"code": "x" * size})
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "text/html; charset=utf-8"

    @pytest.mark.parametrize("path", ["/account", "/account/", "/account/verify-email/"])
    def test_other_paths_are_404_without_a_redirect(self, browser: httpx.Client, path: str) -> None:
        answer = browser.get(path, params={"code": CODE})
        assert answer.status_code == 404
        assert "location" not in answer.headers


class TestSecrets:
    def test_no_code_password_or_address_is_in_a_log_or_a_trace(
        self, pages: AccountPages, browser: httpx.Client
    ) -> None:
        spans = len(pages.collector.spans)
        for path, form in FORMS.items():
            browser.get(path, params={"code": CODE})
            browser.get(f"{path}/", params={"code": CODE})
            browser.get(f"{path}/{CODE}"[:20], params={"code": CODE})
            browser.post(path, params={"code": CODE}, data=form)
            browser.post(path, data={name: value * 9_000 for name, value in form.items()})
            browser.request("DELETE", path, params={"code": CODE})
        browser.post(RESET_PASSWORD, data=FORMS[RESET_PASSWORD] | {"email": ADA.email})
        last = {"code": TYPED, "newPassword": PASSWORD, "email": ADA.email}
        assert browser.post(RESET_PASSWORD, data=last).status_code == 200

        eventually(lambda: len(pages.collector.spans) >= spans + 26, "the spans have arrived")
        eventually(
            lambda: pages.log.read_text().count(f'"path":"{RESET_PASSWORD}"') >= 10,
            "edge and service have logged the requests",
        )
        seen = {"log": pages.log.read_text().encode(), "trace": b"".join(pages.collector.received)}
        assert b"/account" in seen["trace"]
        for place, content in seen.items():
            for secret in (CODE, TYPED, PASSWORD, "correct+horse", ADA.email, "ada%40example"):
                assert secret.encode() not in content, (place, secret)


class TestOutage:
    def test_browser_gets_a_page_while_auth_is_away(self, tmp_path: Path) -> None:
        with (
            serving(tmp_path) as pages,
            httpx.Client(base_url=pages.url, trust_env=False) as client,
        ):
            pages.service.stop()
            answer = client.get(VERIFY_EMAIL, params={"code": CODE}, headers=BROWSER)
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert "try again in a minute" in answer.text
            script = BROWSER | {"apollo-require-preflight": "true"}
            for path, headers in (("/graphql", script), (VERIFY_EMAIL, {})):
                answer = client.get(path, headers=headers)
                assert answer.status_code == 503
                assert answer.headers["content-type"] == "application/json"
                assert answer.json()["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
