"""The pages of accounts in a browser: readable, usable by keyboard, without a script."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from subgraphs.auth.links import FORGOT_PASSWORD, RESET_PASSWORD, RESTORE_EMAIL, VERIFY_EMAIL
from tests.account_pages import AccountPages, serving
from tests.browser.accessibility import problems
from tests.browser.conftest import VIOLATIONS, Watch
from tests.browser.test_errors import forgive
from tests.unit.auth.fake_accounts import ADA, CODE, TYPED

PASSWORD = "correct horse battery"
WITH_CODE = f"?code={CODE}"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccountPages]:
    with serving(tmp_path_factory.mktemp("pages")) as pages:
        yield pages


@pytest.fixture
def watch(pages: AccountPages) -> Iterator[Watch]:
    watch = Watch(pages.url)
    yield watch
    forgive(watch, 400)  # the page of a problem
    assert watch.complaints == []


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, pages: AccountPages, watch: Watch) -> Iterator[Open]:
    """Open a path in a new window; `options` are those of the browser's context."""
    contexts: list[BrowserContext] = []

    def make(path: str, **options: Any) -> Page:
        context = browser.new_context(base_url=pages.url, **options)
        context.set_default_timeout(10_000)
        context.add_init_script(VIOLATIONS)
        contexts.append(context)
        page = context.new_page()
        watch.follow(page)
        page.goto(path)
        return page

    yield make
    for context in contexts:
        for page in context.pages:
            watch.complaints += page.evaluate("window.violations ?? []")
        context.close()


def submit(page: Page) -> None:
    page.get_by_role("button").click()


def each_state(page: Page) -> Iterator[str]:
    """Bring the page into each of its states and yield their names."""
    for path in (VERIFY_EMAIL, RESTORE_EMAIL):
        page.goto(f"{path}{WITH_CODE}")
        yield f"{path}, asking"
        submit(page)
        yield f"{path}, done"
        page.goto(f"{path}?code=wrong")
        submit(page)
        yield f"{path}, refused"
    page.goto(f"{RESET_PASSWORD}{WITH_CODE}")
    yield "reset, asking"
    page.get_by_label("New password").fill(ADA.email)
    submit(page)
    yield "reset, with a problem"
    page.get_by_label("New password").fill(PASSWORD)
    submit(page)
    yield "reset, done"
    page.goto(f"{RESET_PASSWORD}?code=wrong")
    page.get_by_label("New password").fill(PASSWORD)
    submit(page)
    yield "reset, refused"
    page.goto(RESET_PASSWORD)
    yield "reset by a typed code, asking"
    page.get_by_label("E-mail address").fill(ADA.email)
    page.get_by_label("Code").fill("00000000")
    page.get_by_label("New password").fill(PASSWORD)
    submit(page)
    yield "reset by a typed code, with a problem"
    page.goto(FORGOT_PASSWORD)
    yield "forgot, asking"
    page.get_by_label("E-mail address").fill("ada")
    submit(page)
    yield "forgot, with a problem"
    page.get_by_label("E-mail address").fill(f"{'a' * 64}@{'b' * 63}.{'c' * 63}.example")
    submit(page)
    yield "forgot, done"


class TestAccessibility:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [320, 1280])
    def test_axe_finds_no_problem_and_nothing_is_cut_off(
        self, open_page: Open, width: int, scheme: str
    ) -> None:
        page = open_page(
            FORGOT_PASSWORD, viewport={"width": width, "height": 800}, color_scheme=scheme
        )
        for state in each_state(page):
            assert (state, problems(page)) == (state, [])
            assert page.evaluate(OVERFLOW) == 0, state

    def test_text_at_twice_its_size_is_not_cut_off(self, open_page: Open) -> None:
        """Half the width is what a zoom of 200 % leaves; text may be enlarged alone, too."""
        page = open_page(FORGOT_PASSWORD, viewport={"width": 640, "height": 400})
        for state in each_state(page):
            assert page.evaluate(OVERFLOW) == 0, state
            page.evaluate("document.documentElement.style.fontSize = '200%'")
            assert page.evaluate(OVERFLOW) == 0, state

    def test_style_is_applied_and_the_product_is_named(self, open_page: Open) -> None:
        page = open_page(f"{VERIFY_EMAIL}{WITH_CODE}")
        button = page.get_by_role("button", name="Verify")
        assert button.evaluate("e => getComputedStyle(e).borderTopLeftRadius") == "999px"
        assert page.title() == "Verify your address? · Chirp"
        assert page.locator("html").get_attribute("lang") == "en"
        expect(page.get_by_role("heading", level=1)).to_have_text("Verify your address?")


OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


class TestKeyboard:
    def test_password_is_reset_and_a_problem_gets_the_focus(self, open_page: Open) -> None:
        page = open_page(f"{RESET_PASSWORD}{WITH_CODE}")
        press, type_ = page.keyboard.press, page.keyboard.type
        press("Tab")
        type_(ADA.email)
        press("Tab")
        expect(page.get_by_role("button", name="Change password")).to_be_focused()
        press("Enter")
        field = page.get_by_label("New password")
        expect(field).to_be_focused()
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(
            "8 to 128 characters. Password must not be your username or address."
        )
        assert page.title().startswith("Error: ")
        type_(PASSWORD)
        press("Enter")
        expect(page.get_by_role("heading")).to_have_text("Your password is changed")
        press("Tab")
        expect(page.get_by_role("link", name="Go to Chirp")).to_be_focused()

    def test_password_is_reset_with_a_typed_code(
        self, open_page: Open, pages: AccountPages
    ) -> None:
        page = open_page(FORGOT_PASSWORD)
        press, type_ = page.keyboard.press, page.keyboard.type
        press("Tab")
        type_(ADA.email)
        press("Enter")
        expect(page.get_by_role("heading")).to_have_text("Look into your mailbox")
        press("Tab")
        press("Enter")
        expect(page.get_by_role("heading")).to_have_text("Choose a new password")
        for text in (ADA.email, TYPED, PASSWORD):
            press("Tab")
            type_(text)
        press("Enter")
        expect(page.get_by_role("heading")).to_have_text("Your password is changed")
        assert pages.calls()[-1] == ["reset_password", TYPED, PASSWORD, ADA.email]

    @pytest.mark.parametrize(
        ("path", "heading"),
        [
            (VERIFY_EMAIL, "Your address is verified"),
            (RESTORE_EMAIL, "Your address is restored"),
        ],
    )
    def test_link_is_confirmed(self, open_page: Open, path: str, heading: str) -> None:
        page = open_page(f"{path}{WITH_CODE}")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading")).to_have_text(heading)


class TestPrivacy:
    def test_no_request_names_the_code_after_the_link(
        self, open_page: Open, pages: AccountPages, watch: Watch
    ) -> None:
        page = open_page(f"{RESET_PASSWORD}{WITH_CODE}")
        later: list[Request] = []
        page.on("request", lambda request: later.append(request))
        page.get_by_label("New password").fill(PASSWORD)
        submit(page)
        expect(page.get_by_role("heading")).to_have_text("Your password is changed")
        assert page.url == f"{pages.url}{RESET_PASSWORD}"
        page.get_by_role("link", name="Go to Chirp").click()
        assert len(later) >= 2
        for request in later:
            headers = request.all_headers()
            assert CODE not in request.url
            assert "referer" not in headers
            assert CODE not in str(headers)
        page.wait_for_load_state("networkidle")  # the browser asks for an icon, too
        forgive(watch, 503)  # there is no explorer behind the link

    def test_pages_work_without_a_script(self, open_page: Open) -> None:
        page = open_page(f"{RESET_PASSWORD}{WITH_CODE}", java_script_enabled=False)
        page.get_by_label("New password").fill(PASSWORD)
        submit(page)
        expect(page.get_by_role("heading")).to_have_text("Your password is changed")
