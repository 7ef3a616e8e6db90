"""The actions beside the editor, the line below a response, and the history."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.accessibility import problems
from tests.browser.conftest import Open
from tests.browser.explorer import PASSWORD, Explorer
from tests.browser.test_story import account
from tests.stack import ON_ONE_ROUTER, RunningStack, eventually

pytestmark = [ON_ONE_ROUTER, pytest.mark.needs("tweets", "notifier")]


@pytest.fixture
def explorer(open_explorer: Open) -> Explorer:
    explorer = open_explorer()
    explorer.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    return explorer


def actions(explorer: Explorer) -> Locator:
    """Open the list of actions if it is closed."""
    opened = explorer.page.get_by_role("group", name="Share, copy, plan, save")
    if not opened.is_visible():
        explorer.page.get_by_role("button", name="Share, copy, plan, save").click()
    return opened


def act(explorer: Explorer, name: str) -> Locator:
    """Run an action and return the line that reports its result."""
    actions(explorer).get_by_role("button", name=name, exact=True).click()
    return actions(explorer).get_by_role("status")


def clipboard(explorer: Explorer) -> str:
    return str(explorer.page.evaluate("navigator.clipboard.readText()"))


def variables(explorer: Explorer) -> object:
    return json.loads(explorer.read("variables.json"))


class TestLink:
    def test_link_opens_the_operation_in_another_window_without_running_it(
        self, explorer: Explorer, open_explorer: Open
    ) -> None:
        explorer.choose("Retweet")
        expect(act(explorer, "Copy link")).to_contain_text("Link copied.")
        link = clipboard(explorer)
        other = open_explorer()
        requests: list[str] = []
        other.page.on("request", lambda request: requests.append(request.url))
        other.page.goto("about:blank")
        other.page.goto(link)
        other.wait_until_ready().wait_until_read("operation.graphql", "mutation Retweet")
        assert explorer.read("operation.graphql") == other.read("operation.graphql")
        assert other.read("variables.json") == ""
        assert not [url for url in requests if "Retweet" in url]
        assert other.page.url.endswith("/")
        assert other.read("response.json") == ""

    def test_link_with_variables_has_no_password(
        self, explorer: Explorer, open_explorer: Open, name: str
    ) -> None:
        explorer.choose("SignUp")
        explorer.write("variables.json", json.dumps(account(name)))
        act(explorer, "Copy link with variables")
        link = clipboard(explorer)
        assert name in link
        assert "correct" not in link
        other = open_explorer()
        other.page.goto("about:blank")
        other.page.goto(link)
        other.wait_until_ready().wait_until_read("variables.json", name)
        given = {"username": name, "email": f"{name}@example.com", "password": ""}
        assert variables(other) == {"input": given}

    def test_link_opens_beside_the_tabs_of_a_window_in_use(self, explorer: Explorer) -> None:
        explorer.choose("MyTweets")
        act(explorer, "Copy link")
        with explorer.page.expect_navigation(url=re.compile("/$")):
            explorer.page.evaluate("link => { location.href = link; }", clipboard(explorer))
        explorer.wait_until_ready().wait_until_read("operation.graphql", "query MyTweets")
        explorer.choose("SignIn")


class TestCurl:
    def test_command_runs_in_a_shell(self, explorer: Explorer, name: str, tmp_path: Path) -> None:
        explorer.sign_up(name)
        explorer.choose("Tweet")
        text = 'It\'s $HOME, `pwd` and "quotes" \\ 👋'
        explorer.write("variables.json", json.dumps({"text": text}))
        expect(act(explorer, "Copy as curl")).to_contain_text("Set TOKEN to your access token.")
        command = clipboard(explorer)
        token = explorer.tokens["accessToken"]
        assert token not in command
        ran = subprocess.run(
            ["sh", "-c", command.replace("curl ", "curl -s ", 1)],
            env={"TOKEN": token, "PATH": "/usr/bin:/bin", "NO_PROXY": "127.0.0.1"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(ran.stdout)["data"]["createTweet"]["text"] == text

    def test_token_is_shortened_on_request(self, explorer: Explorer, name: str) -> None:
        explorer.sign_up(name)
        explorer.choose("MyTweets")
        act(explorer, "Copy as curl, token shortened")
        token = explorer.tokens["accessToken"]
        assert f"Bearer {token[:8]}…{token[-4:]}" in clipboard(explorer)

    def test_sign_in_is_copied_without_password_and_token(
        self, explorer: Explorer, name: str
    ) -> None:
        explorer.sign_up(name)
        explorer.choose("SignIn")
        act(explorer, "Copy as curl")
        command = clipboard(explorer)
        assert "authorization" not in command
        assert PASSWORD not in command
        assert '"password":""' in command

    def test_text_that_cannot_be_copied_is_shown(self, explorer: Explorer) -> None:
        explorer.page.evaluate(
            "() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }"
        )
        explorer.choose("MyTweets")
        actions(explorer).get_by_role("button", name="Copy as curl", exact=True).click()
        dialog = explorer.page.get_by_role("dialog", name="curl command")
        expect(dialog).to_contain_text("query MyTweets")
        dialog.get_by_role("button", name="Copy", exact=True).click()
        expect(dialog.get_by_role("status")).to_contain_text("The text is selected")

    def test_operation_with_a_syntax_error_is_not_copied(self, explorer: Explorer) -> None:
        explorer.write("operation.graphql", 'mutation { signIn(password: "x"')
        expect(act(explorer, "Copy link")).to_contain_text("syntax error")


class TestPlan:
    def test_plan_of_a_mutation_is_shown_and_the_mutation_is_not_run(
        self, explorer: Explorer, name: str
    ) -> None:
        explorer.sign_up(name)
        explorer.choose("Tweet")
        actions(explorer).get_by_role("button", name="Show query plan").click()
        dialog = explorer.page.get_by_role("dialog", name="Query plan")
        expect(dialog).to_contain_text('Fetch(service: "tweets")')
        assert problems(explorer.page) == []
        explorer.page.keyboard.press("Escape")
        expect(explorer.page.get_by_role("button", name="Share, copy, plan, save")).to_be_focused()
        assert explorer.run("MyTweets")["data"]["myTweets"]["edges"] == []

    def test_subscription_has_none(self, explorer: Explorer) -> None:
        explorer.choose("WatchMyFeed")
        actions(explorer).get_by_role("button", name="Show query plan").click()
        dialog = explorer.page.get_by_role("dialog", name="No query plan")
        expect(dialog).to_contain_text("A subscription has no query plan")


class TestSchema:
    def test_schema_is_downloaded(self, explorer: Explorer) -> None:
        with explorer.page.expect_download() as download:
            act(explorer, "Download schema")
        assert download.value.suggested_filename == "schema.graphql"
        assert "type Query {" in download.value.path().read_text()
        expect(actions(explorer).get_by_role("status")).to_contain_text("downloaded")


class TestAnswer:
    def test_answer_names_status_time_size_and_the_request_in_the_log(
        self, explorer: Explorer, stack: RunningStack
    ) -> None:
        with explorer.page.expect_response("**/graphql") as answered:
            explorer.run("MyTweets")
        line = explorer.page.locator(".answer")
        expect(line).to_contain_text(re.compile(r"Status 200\s*\d+ ms\s*[\d.]+ k?B"))
        request_id = answered.value.headers["x-request-id"]
        expect(line).to_contain_text(request_id)
        assert request_id in stack.log.read_text()
        explorer.choose("SignIn")
        expect(line).to_have_count(0)
        explorer.choose("MyTweets")
        expect(line).to_contain_text(request_id)

    def test_trace_is_named_and_linked_where_there_is_one(self, explorer: Explorer) -> None:
        trace = "0af7651916cd43dd8448eb211c80319c"

        def traced(route: object) -> None:
            answer = route.fetch()  # type: ignore[attr-defined]
            headers = {**answer.headers, "traceresponse": f"00-{trace}-b7ad6b7169203331-01"}
            route.fulfill(response=answer, headers=headers)  # type: ignore[attr-defined]

        explorer.page.route("**/graphql", traced)
        explorer.run("MyTweets")
        expect(explorer.page.locator(".answer")).to_contain_text(f"Trace {trace}")
        explorer.page.evaluate("globalThis.TRACE_URL = 'http://traces.example/{trace_id}?x'")
        explorer.run("MyTweets")
        link = explorer.page.locator(".answer").get_by_role("link", name="Trace")
        expect(link).to_have_attribute("href", f"http://traces.example/{trace}?x")
        explorer.page.unroute_all()


class TestHistory:
    def test_history_outlives_the_window_without_passwords_tokens_and_codes(
        self, explorer: Explorer, name: str
    ) -> None:
        explorer.run("SignUp", account(name))
        explorer.expect_signed_in(name)
        explorer.run("VerifyEmail", {"code": "87654321"})
        passwords = {"current": PASSWORD, "new": "correct horse battery"}
        explorer.run("ChangePassword", passwords)
        tokens = explorer.tokens
        refresh = f'mutation Refresh {{ refreshSession(refreshToken: "{tokens["refreshToken"]}")'
        explorer.write("operation.graphql", f"{refresh} {{ __typename }} }}")
        # GraphiQL takes the text over some moments after the last key.
        tabs = explorer.page.get_by_role("list", name="Select active operation")
        expect(tabs.get_by_role("button", name="Refresh", exact=True)).to_be_visible()
        with explorer.page.expect_response("**/graphql"):
            explorer.page.get_by_role("button", name="Execute query").click()

        stored = "JSON.stringify(localStorage['graphiql:queries'])"
        eventually(lambda: "Refresh" in str(explorer.page.evaluate(stored)), "it is in the history")
        other = Explorer(explorer.page.context.new_page()).open()
        explorer.page.close()
        kept = str(other.page.evaluate(stored))
        secrets = (tokens["accessToken"], tokens["refreshToken"])
        for secret in ("87654321", PASSWORD, *secrets):
            assert str(secret) not in kept
        other.page.get_by_role("button", name="Show History").click()
        history = other.page.get_by_role("region", name="History")
        for label in ("SignUp", "VerifyEmail", "ChangePassword", "Refresh"):
            expect(history.get_by_role("button", name=label, exact=True).first).to_be_visible()
        # GraphiQL may also have kept it with the variables of before; the newest is first.
        history.get_by_role("button", name="SignUp", exact=True).first.click()
        other.wait_until_read("variables.json", name)
        assert PASSWORD not in other.read("variables.json")
        assert problems(other.page) == []

    def test_operation_is_saved_once_and_found_in_another_window(self, explorer: Explorer) -> None:
        explorer.choose("MyTweets")
        for _ in range(2):
            expect(act(explorer, "Save operation")).to_contain_text("Saved")
        other = Explorer(explorer.page.context.new_page()).open()
        other.page.get_by_role("button", name="Show History").click()
        history = other.page.get_by_role("region", name="History")
        expect(history.get_by_role("button", name="MyTweets", exact=True)).to_have_count(1)
        expect(history.get_by_role("button", name="Remove favorite")).to_have_count(1)


class TestAccessibility:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [380, 1280])
    def test_axe_finds_no_problem_in_the_list_which_fits_the_window(
        self, open_explorer: Open, width: int, scheme: str
    ) -> None:
        explorer = open_explorer(scheme)
        explorer.page.set_viewport_size({"width": width, "height": 800})
        explorer.run("MyTweets")
        opened = actions(explorer)
        expect(opened).to_be_in_viewport(ratio=1)
        explorer.page.mouse.move(0, 0)
        assert problems(explorer.page) == []

    def test_actions_are_used_without_a_mouse(self, explorer: Explorer) -> None:
        explorer.choose("MyTweets")
        press = explorer.page.keyboard.press
        button = explorer.page.get_by_role("button", name="Share, copy, plan, save")
        button.focus()
        press("Enter")
        press("Tab")
        expect(
            actions(explorer).get_by_role("button", name="Copy link", exact=True)
        ).to_be_focused()
        press("Enter")
        expect(actions(explorer).get_by_role("status")).to_contain_text("Link copied.")
        press("Escape")
        expect(button).to_be_focused()
