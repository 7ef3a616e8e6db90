"""The pages where mails about accounts lead: what each shows, and that only POST acts."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import urlencode

import httpx
import pytest
from structlog.testing import capture_logs

from chassis.errors import Overloaded
from chassis.topology import declared
from subgraphs.auth.errors import EmailTaken, InvalidCode, InvalidInput, Problem, TooManyAttempts
from subgraphs.auth.forms import MAX_SIZE
from subgraphs.auth.links import FORGOT_PASSWORD, RESET_PASSWORD, RESTORE_EMAIL, VERIFY_EMAIL
from subgraphs.auth.logins import MAX_INPUT_LENGTH, PASSWORD_LENGTH
from tests.unit.auth.fake_accounts import (
    ADA,
    CODE,
    DEVICE_TOKEN,
    TYPED,
    FakeAccounts,
    pages_app,
)

PASSWORD = "correct horse"
ADDRESS = "203.0.113.9"
TITLE = declared().project.title
NASTY = "\"'><script>alert(1)</script>&amp;"

FILLED: dict[str, dict[str, str]] = {
    VERIFY_EMAIL: {"code": CODE},
    RESET_PASSWORD: {"code": CODE, "newPassword": PASSWORD},
    RESTORE_EMAIL: {"code": CODE},
    FORGOT_PASSWORD: {"email": ADA.email},
}
"""The form of each page, filled in."""
CONFIRMATIONS = [VERIFY_EMAIL, RESTORE_EMAIL]

ALL_PAGES = pytest.mark.parametrize("path", FILLED)


class Page(HTMLParser):
    """What a page contains: the inputs by name, the targets of its links, the text."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.inputs: dict[str, dict[str, str]] = {}
        self.links: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.labels: list[str] = []
        self.action: str | None = None
        self.text = ""
        self.title = ""
        self.feed(response.text)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.tags.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "input":
            self.inputs[given["name"]] = given
        elif tag == "a":
            self.links.append(given["href"])
        elif tag == "label":
            self.labels.append(given["for"])
        elif tag == "form":
            assert given["method"] == "post"
            self.action = given["action"]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "title" and not self.title:
            self.title = data
        if "body" in self.tags:
            self.text += data


@pytest.fixture
def accounts() -> FakeAccounts:
    return FakeAccounts()


@pytest.fixture
async def client(accounts: FakeAccounts) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(pages_app(accounts), raise_app_exceptions=False)
    headers = {"x-client-address": ADDRESS}
    async with httpx.AsyncClient(
        transport=transport, base_url="https://chirp.example", headers=headers
    ) as client:
        yield client


async def submit(client: httpx.AsyncClient, path: str, **changed: str) -> httpx.Response:
    return await client.post(path, data={**FILLED[path], **changed})


class TestGet:
    @ALL_PAGES
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_get_and_head_call_no_use_case(
        self, client: httpx.AsyncClient, accounts: FakeAccounts, path: str, method: str
    ) -> None:
        answer = await client.request(method, path, params={"code": CODE})
        assert answer.status_code == 200
        assert accounts.calls == []

    @pytest.mark.asvs("6.2.7")
    @ALL_PAGES
    async def test_page_has_a_title_a_heading_a_language_and_no_script(
        self, client: httpx.AsyncClient, path: str
    ) -> None:
        answer = await client.get(path, params={"code": CODE})
        page = Page(answer)
        assert '<html lang="en">' in answer.text
        assert page.title.endswith(f" · {TITLE}")
        assert page.tags.count("h1") == 1
        assert not {"script", "img", "iframe"} & set(page.tags)
        assert not re.search(r"\son\w+=", answer.text)

    @pytest.mark.parametrize("path", [*CONFIRMATIONS, RESET_PASSWORD])
    async def test_code_moves_from_the_link_into_the_form(
        self, client: httpx.AsyncClient, path: str
    ) -> None:
        page = Page(await client.get(path, params={"code": CODE}))
        assert page.action == path
        assert page.inputs["code"] == {"type": "hidden", "name": "code", "value": CODE}

    @ALL_PAGES
    async def test_every_visible_field_has_a_label(
        self, client: httpx.AsyncClient, path: str
    ) -> None:
        for params in ({"code": CODE}, {}):
            inputs = Page(await client.get(path, params=params)).inputs
            page = Page(await client.get(path, params=params))
            visible = [name for name, given in inputs.items() if given["type"] != "hidden"]
            assert page.labels == visible
            for name in visible:
                for described in page.inputs[name].get("aria-describedby", "").split():
                    assert described in page.ids

    @pytest.mark.parametrize("path", CONFIRMATIONS)
    @pytest.mark.parametrize("query", ["", "?code=", f"?code={CODE}&code={CODE}", f"?kode={CODE}"])
    async def test_link_without_a_single_code_does_not_work(
        self, client: httpx.AsyncClient, path: str, query: str
    ) -> None:
        answer = await client.get(f"{path}{query}")
        assert answer.status_code == 400
        assert "This link does not work" in answer.text
        assert Page(answer).action is None

    @pytest.mark.asvs("6.2.6", "6.2.7")
    async def test_password_field_has_the_limits_of_the_domain(
        self, client: httpx.AsyncClient
    ) -> None:
        field = Page(await client.get(RESET_PASSWORD, params={"code": CODE})).inputs["newPassword"]
        assert field["type"] == "password"
        assert field["autocomplete"] == "new-password"
        assert field["minlength"] == str(PASSWORD_LENGTH.start)
        # As many as can become a valid password: a browser would cut a longer one silently.
        assert field["maxlength"] == str(MAX_INPUT_LENGTH)

    async def test_address_field_is_filled_in_by_browsers(self, client: httpx.AsyncClient) -> None:
        field = Page(await client.get(FORGOT_PASSWORD)).inputs["email"]
        assert (field["autocomplete"], field["inputmode"]) == ("email", "email")

    async def test_reset_without_a_link_asks_for_the_typed_code_and_the_address(
        self, client: httpx.AsyncClient
    ) -> None:
        page = Page(await client.get(RESET_PASSWORD))
        assert list(page.inputs) == ["email", "code", "newPassword"]
        assert page.inputs["code"]["autocomplete"] == "one-time-code"
        assert FORGOT_PASSWORD in page.links


class TestPost:
    async def test_verification_names_the_address_and_leads_on(
        self, client: httpx.AsyncClient, accounts: FakeAccounts
    ) -> None:
        answer = await submit(client, VERIFY_EMAIL)
        assert answer.status_code == 200
        assert "Your address is verified" in answer.text
        assert ADA.email in answer.text
        assert Page(answer).links == ["/"]
        assert accounts.calls == [("verify_email", CODE, None)]

    async def test_reset_changes_the_password(
        self, client: httpx.AsyncClient, accounts: FakeAccounts
    ) -> None:
        answer = await submit(client, RESET_PASSWORD, newPassword=" pass wörd+& ")
        assert answer.status_code == 200
        assert "Your password is changed" in answer.text
        assert Page(answer).links == [f"/#device={DEVICE_TOKEN}"]
        assert accounts.calls == [("reset_password", CODE, " pass wörd+& ", None)]

    async def test_reset_with_a_typed_code_passes_the_address_on(
        self, client: httpx.AsyncClient, accounts: FakeAccounts
    ) -> None:
        answer = await submit(client, RESET_PASSWORD, code=TYPED, email=ADA.email)
        assert "Your password is changed" in answer.text
        assert accounts.calls == [("reset_password", TYPED, PASSWORD, ADA.email)]

    async def test_longest_password_fits_into_the_form(
        self, client: httpx.AsyncClient, accounts: FakeAccounts
    ) -> None:
        password = "👋" * (PASSWORD_LENGTH.stop - 1)
        answer = await submit(
            client, RESET_PASSWORD, newPassword=password, code=TYPED, email="ü" * 254
        )
        assert answer.status_code == 400  # the address is not ADA's
        assert accounts.calls == [("reset_password", TYPED, password, "ü" * 254)]

    async def test_restoring_announces_the_mail_for_the_password(
        self, client: httpx.AsyncClient, accounts: FakeAccounts
    ) -> None:
        answer = await submit(client, RESTORE_EMAIL)
        assert answer.status_code == 200
        assert "Your address is restored" in answer.text
        assert "choose a new password" in answer.text
        assert accounts.calls == [("restore_email", CODE)]

    async def test_request_for_a_mail_passes_the_address_of_the_client_on(
        self, client: httpx.AsyncClient, accounts: FakeAccounts
    ) -> None:
        answer = await submit(client, FORGOT_PASSWORD)
        assert answer.status_code == 200
        assert ADA.email in answer.text
        assert Page(answer).links == [RESET_PASSWORD, FORGOT_PASSWORD]
        assert accounts.calls == [("request_password_reset", ADA.email, ADDRESS)]

    @ALL_PAGES
    async def test_other_methods_are_refused(
        self, client: httpx.AsyncClient, accounts: FakeAccounts, path: str
    ) -> None:
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
            assert (await client.request(method, path)).status_code == 405
        assert accounts.calls == []


class TestRefused:
    async def test_invalid_verification_link_tells_how_to_get_another_mail(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await submit(client, VERIFY_EMAIL, code="other")
        assert answer.status_code == 400
        assert "This link does not work" in answer.text
        assert "requestEmailVerification" in answer.text

    async def test_invalid_reset_link_leads_to_another_mail(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await submit(client, RESET_PASSWORD, code="other")
        assert answer.status_code == 400
        assert "This link does not work" in answer.text
        assert Page(answer).links == [FORGOT_PASSWORD]

    async def test_invalid_restore_link_names_who_can_help(self, client: httpx.AsyncClient) -> None:
        answer = await submit(client, RESTORE_EMAIL, code="other")
        assert answer.status_code == 400
        assert f"those who run {TITLE}" in answer.text

    @pytest.mark.parametrize(
        "changed", [{"code": "00000000"}, {"email": "grace@example.com", "code": TYPED}]
    )
    async def test_wrong_typed_code_is_shown_at_its_field(
        self, client: httpx.AsyncClient, changed: dict[str, str]
    ) -> None:
        answer = await submit(client, RESET_PASSWORD, **{"email": ADA.email, **changed})
        assert answer.status_code == 400
        page = Page(answer)
        assert page.inputs["code"]["aria-invalid"] == "true"
        assert page.inputs["email"]["value"] == changed.get("email", ADA.email)
        assert page.inputs["code"]["value"] == page.inputs["newPassword"]["value"] == ""
        assert FORGOT_PASSWORD in page.links

    @ALL_PAGES
    async def test_too_many_attempts_is_429_with_the_time_to_wait(
        self, client: httpx.AsyncClient, accounts: FakeAccounts, path: str
    ) -> None:
        accounts.failure = TooManyAttempts(timedelta(seconds=150, milliseconds=1))
        answer = await submit(client, path)
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "151"
        assert "Try again in 3 minutes." in answer.text

    @pytest.mark.parametrize(
        ("seconds", "header", "text"),
        [(0.2, "1", "1 minute."), (60, "60", "1 minute."), (86400, "86400", "24 hours.")],
    )
    async def test_time_to_wait_is_rounded_up(
        self,
        client: httpx.AsyncClient,
        accounts: FakeAccounts,
        seconds: float,
        header: str,
        text: str,
    ) -> None:
        accounts.failure = TooManyAttempts(timedelta(seconds=seconds))
        answer = await submit(client, FORGOT_PASSWORD)
        assert answer.headers["retry-after"] == header
        assert f"Try again in {text}" in answer.text

    @pytest.mark.parametrize("path", CONFIRMATIONS)
    async def test_address_of_another_account_is_409(
        self, client: httpx.AsyncClient, accounts: FakeAccounts, path: str
    ) -> None:
        accounts.failure = EmailTaken()
        answer = await submit(client, path)
        assert answer.status_code == 409
        assert "belongs to another account" in answer.text

    @ALL_PAGES
    async def test_overload_is_503(
        self, client: httpx.AsyncClient, accounts: FakeAccounts, path: str
    ) -> None:
        accounts.failure = Overloaded()
        answer = await submit(client, path)
        assert answer.status_code == 503
        assert "try again in a minute" in answer.text

    @pytest.mark.parametrize(
        ("failure", "status"), [(ConnectionRefusedError("db"), 503), (KeyError("bug"), 500)]
    )
    async def test_failure_is_a_page_and_is_logged(
        self,
        client: httpx.AsyncClient,
        accounts: FakeAccounts,
        failure: Exception,
        status: int,
    ) -> None:
        accounts.failure = failure
        with capture_logs() as lines:
            answer = await submit(client, VERIFY_EMAIL)
        assert answer.status_code == status
        assert "try again in a minute" in answer.text
        (line,) = [line for line in lines if line["event"] == "page failed"]
        assert line["path"] == VERIFY_EMAIL
        assert CODE not in str(lines)


class TestProblems:
    async def test_problem_of_the_password_is_shown_at_its_field(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await submit(client, RESET_PASSWORD, newPassword="short")
        assert answer.status_code == 400
        page = Page(answer)
        field = page.inputs["newPassword"]
        assert "Password must be 8 to 128 characters." in page.text
        assert page.title.startswith("Error: ")
        assert field["aria-invalid"] == "true"
        assert "autofocus" in field
        assert field["aria-describedby"] == "newPassword-hint newPassword-problem"
        assert set(field["aria-describedby"].split()) <= set(page.ids)
        assert field["value"] == ""
        assert page.inputs["code"]["value"] == CODE

    async def test_problem_of_the_address_is_shown_at_its_field(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await submit(client, FORGOT_PASSWORD, email="ada")
        assert answer.status_code == 400
        page = Page(answer)
        assert page.inputs["email"]["value"] == "ada"
        assert page.inputs["email"]["aria-invalid"] == "true"
        assert "must have an @-sign" in page.text

    async def test_first_field_with_a_problem_gets_the_focus(
        self, client: httpx.AsyncClient, accounts: FakeAccounts
    ) -> None:
        accounts.failure = InvalidInput(
            [Problem("newPassword", "One."), Problem("newPassword", "Two."), Problem("code", "3.")]
        )
        page = Page(await submit(client, RESET_PASSWORD, email=ADA.email))
        assert [name for name, field in page.inputs.items() if "autofocus" in field] == ["code"]
        assert "One. Two." in page.text

    async def test_problem_of_a_hidden_field_is_shown_at_the_first_one(
        self, client: httpx.AsyncClient, accounts: FakeAccounts
    ) -> None:
        accounts.failure = InvalidInput([Problem("email", "The address is odd.")])
        page = Page(await submit(client, RESET_PASSWORD))
        assert "The address is odd." in page.text
        assert page.inputs["newPassword"]["aria-invalid"] == "true"

    async def test_page_without_a_problem_moves_no_focus(self, client: httpx.AsyncClient) -> None:
        page = Page(await client.get(RESET_PASSWORD, params={"code": CODE}))
        assert not any("autofocus" in field for field in page.inputs.values())
        assert not any("aria-invalid" in field for field in page.inputs.values())


FORM = {"content-type": "application/x-www-form-urlencoded"}


class TestForm:
    """Bodies that no form of these pages sends."""

    @ALL_PAGES
    @pytest.mark.parametrize(
        "headers",
        [{}, {"content-type": "application/json"}, {"content-type": "multipart/form-data"}],
    )
    async def test_other_content_type_is_415(
        self, client: httpx.AsyncClient, accounts: FakeAccounts, path: str, headers: dict[str, str]
    ) -> None:
        body = urlencode(FILLED[path]).encode()
        answer = await client.post(path, content=body, headers=headers)
        assert answer.status_code == 415
        assert "Open the page again" in answer.text
        assert accounts.calls == []

    async def test_content_type_has_a_charset_and_any_case(self, client: httpx.AsyncClient) -> None:
        headers = {"content-type": "Application/X-WWW-Form-Urlencoded; charset=UTF-8"}
        body = urlencode(FILLED[VERIFY_EMAIL]).encode()
        assert (await client.post(VERIFY_EMAIL, content=body, headers=headers)).status_code == 200

    @ALL_PAGES
    @pytest.mark.parametrize("chunked", [False, True])
    async def test_form_over_the_limit_is_413(
        self, client: httpx.AsyncClient, accounts: FakeAccounts, path: str, chunked: bool
    ) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield urlencode(FILLED[path]).encode()
            for _ in range(9):
                yield b"x" * 1024

        content = chunks() if chunked else b"x" * (MAX_SIZE + 1)
        answer = await client.post(path, content=content, headers=FORM)
        assert answer.status_code == 413
        assert "Use shorter values" in answer.text
        assert accounts.calls == []

    @pytest.mark.parametrize(
        ("path", "name"), [(path, name) for path, form in FILLED.items() for name in form]
    )
    async def test_missing_and_repeated_fields_are_400(
        self, client: httpx.AsyncClient, accounts: FakeAccounts, path: str, name: str
    ) -> None:
        missing = {n: value for n, value in FILLED[path].items() if n != name}
        repeated = [*FILLED[path].items(), (name, "again")]
        for given, problem in ((missing, "is missing"), (repeated, "is given more than once")):
            body = urlencode(given).encode()
            answer = await client.post(path, content=body, headers=FORM)
            assert answer.status_code == 400
            assert f"The field {name} {problem}." in answer.text
        assert accounts.calls == []

    async def test_repeated_optional_field_is_400(
        self, client: httpx.AsyncClient, accounts: FakeAccounts
    ) -> None:
        body = urlencode([*FILLED[RESET_PASSWORD].items(), ("email", "a"), ("email", "b")])
        answer = await client.post(RESET_PASSWORD, content=body.encode(), headers=FORM)
        assert answer.status_code == 400
        assert accounts.calls == []

    @pytest.mark.parametrize(
        "body", [b"code=%FF", b"code=\xc3\xa4", b"&".join(b"a%d=1" % n for n in range(11))]
    )
    async def test_unreadable_form_is_400(
        self, client: httpx.AsyncClient, accounts: FakeAccounts, body: bytes
    ) -> None:
        answer = await client.post(VERIFY_EMAIL, content=body, headers=FORM)
        assert answer.status_code == 400
        assert accounts.calls == []


class TestEscaping:
    @pytest.mark.parametrize("path", [*CONFIRMATIONS, RESET_PASSWORD])
    async def test_code_in_the_link_is_escaped(self, client: httpx.AsyncClient, path: str) -> None:
        answer = await client.get(path, params={"code": NASTY})
        assert "<script" not in answer.text
        assert Page(answer).inputs["code"]["value"] == NASTY

    @pytest.mark.parametrize("email", [NASTY, f"{NASTY}@example.com"])
    async def test_address_that_was_entered_is_escaped(
        self, client: httpx.AsyncClient, email: str
    ) -> None:
        answer = await submit(client, FORGOT_PASSWORD, email=email)
        assert "<script" not in answer.text
        page = Page(answer)
        assert email in page.text or page.inputs["email"]["value"] == email

    async def test_address_of_the_account_is_escaped(
        self, client: httpx.AsyncClient, accounts: FakeAccounts
    ) -> None:
        accounts.user = replace(ADA, email=f"{NASTY}@example.com")
        answer = await submit(client, VERIFY_EMAIL)
        assert "<script" not in answer.text
        assert NASTY in Page(answer).text


class TestHeaders:
    @pytest.mark.parametrize(
        ("method", "path", "data", "failure"),
        [
            *(("GET", path, None, None) for path in FILLED),
            *(("POST", path, form, None) for path, form in FILLED.items()),
            ("POST", VERIFY_EMAIL, {"code": "other"}, None),
            ("POST", VERIFY_EMAIL, {}, None),
            ("POST", VERIFY_EMAIL, FILLED[VERIFY_EMAIL], InvalidCode()),
            ("POST", VERIFY_EMAIL, FILLED[VERIFY_EMAIL], TooManyAttempts(timedelta(minutes=1))),
            ("POST", VERIFY_EMAIL, FILLED[VERIFY_EMAIL], KeyError()),
        ],
    )
    async def test_every_page_is_private(
        self,
        client: httpx.AsyncClient,
        accounts: FakeAccounts,
        method: str,
        path: str,
        data: Mapping[str, str] | None,
        failure: Exception | None,
    ) -> None:
        accounts.failure = failure
        answer = await client.request(method, path, data=data)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "set-cookie" not in answer.headers


class TestLog:
    async def test_log_contains_no_code_password_or_address(
        self, client: httpx.AsyncClient, accounts: FakeAccounts
    ) -> None:
        with capture_logs() as lines:
            for path in FILLED:
                await client.get(path, params={"code": CODE, "email": ADA.email})
                await submit(client, path)
                await submit(client, path, **dict.fromkeys(FILLED[path], "x"))
            accounts.failure = KeyError("bug")
            for path in FILLED:
                await submit(client, path)
        assert {line["path"] for line in lines} == set(FILLED)
        text = repr(lines)
        assert not [secret for secret in (CODE, PASSWORD, ADA.email) if secret in text]
