"""Notices about errors and outages on the page."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watch
from tests.browser.explorer import Explorer
from tests.stack import ON_ONE_ROUTER, RunningStack

pytestmark = [ON_ONE_ROUTER, pytest.mark.needs("tweets", "notifier")]


def forgive(watch: Watch, *statuses: int) -> None:
    """Remove the complaints of Chromium itself about responses with these statuses."""
    allowed = tuple(
        f"error: Failed to load resource: the server responded with a status of {s}"
        for s in statuses
    )
    watch.complaints[:] = [text for text in watch.complaints if not text.startswith(allowed)]


class TestErrors:
    def test_anonymous_user_is_asked_to_sign_in(self, explorer: Explorer) -> None:
        explorer.run("Tweet")
        expect(explorer.notice).to_contain_text("You are not signed in.")
        expect(explorer.notice.get_by_role("term")).to_have_text("createTweet")
        expect(explorer.notice).to_contain_text("Sign in at the top of the page")
        assert "UNAUTHENTICATED" in explorer.read("response.json")

    def test_invalid_input_fields_are_named(self, explorer: Explorer, name: str) -> None:
        given = {"username": name, "email": "nowhere", "password": "short"}
        explorer.run("SignUp", {"input": given})
        expect(explorer.notice.get_by_role("term")).to_have_text(["email", "password"])
        explorer.expect_signed_out()
        explorer.notice.get_by_role("button", name="Dismiss").click()
        expect(explorer.notice).to_be_empty()

    def test_exceeded_limit_is_not_an_outage(self, explorer: Explorer, name: str) -> None:
        explorer.sign_up(name)
        explorer.choose("MyTweets")
        aliases = " ".join(f"a{n}: retweetCount" for n in range(31))
        explorer.write("operation.graphql", f"{{ tweet(id: 3) {{ {aliases} }} }}")
        explorer.page.get_by_role("button", name="Execute query").click()
        expect(explorer.notice).to_contain_text("The request exceeds a limit.")
        expect(explorer.notice).to_contain_text("The operation has 31 aliases; 30 are allowed.")
        expect(explorer.health).to_be_empty()

    def test_request_that_the_edge_or_the_router_refuses_names_the_limit(
        self, explorer: Explorer, watch: Watch
    ) -> None:
        explorer.choose("MyTweets")
        for query, limit in (
            (f"{{ {'a ' * 2100}}}", "The document has 2102 tokens; 2000 are allowed."),
            (f"# {'a' * 263_000}\n{{ me {{ id }} }}", "bytes; 262144 are allowed."),
        ):
            explorer.write("operation.graphql", query)
            explorer.page.get_by_role("button", name="Execute query").click()
            expect(explorer.notice).to_contain_text("The request exceeds a limit.")
            expect(explorer.notice).to_contain_text(limit)
            expect(explorer.health).to_be_empty()
        forgive(watch, 400, 413)

    def test_notice_belongs_to_its_tab(self, explorer: Explorer) -> None:
        explorer.run("Tweet")
        expect(explorer.notice).to_contain_text("You are not signed in.")
        explorer.choose("MyTweets")
        expect(explorer.notice).to_be_empty()
        explorer.choose("Tweet")
        expect(explorer.notice).to_contain_text("You are not signed in.")

    def test_variables_that_are_no_json_replace_the_notice(self, explorer: Explorer) -> None:
        explorer.run("Tweet")
        expect(explorer.notice).to_contain_text("You are not signed in.")
        explorer.write("variables.json", "{ text")
        explorer.page.get_by_role("button", name="Execute query").click()
        expect(explorer.notice).to_contain_text("The request was not sent.")
        expect(explorer.notice).to_contain_text("Variables are invalid JSON")

    def test_empty_operation_is_reported(self, explorer: Explorer, watch: Watch) -> None:
        explorer.choose("MyTweets")
        explorer.write("operation.graphql", "# nothing yet")
        explorer.page.get_by_role("button", name="Execute query").click()
        expect(explorer.notice).to_contain_text("There is no operation to run.")
        forgive(watch, 400)

    def test_session_ended_elsewhere_signs_out(
        self, explorer: Explorer, name: str, watch: Watch
    ) -> None:
        explorer.sign_up(name)
        explorer.sign_out_elsewhere()
        explorer.run("MyTweets")
        explorer.expect_signed_out()
        expect(explorer.bar).to_contain_text("The session has ended.")
        expect(explorer.notice).to_contain_text("The session has ended.")
        forgive(watch, 401)

    def test_outage_of_a_service_is_shown_until_it_ends(
        self, explorer: Explorer, stack: RunningStack, name: str, watch: Watch
    ) -> None:
        explorer.sign_up(name)
        stack.kill("tweets")
        try:
            explorer.run("MyTweets")
            expect(explorer.notice).to_contain_text("The service tweets does not answer.")
            expect(explorer.health).to_contain_text("A part of Chirp does not answer.")
        finally:
            stack.restart("tweets")
        expect(explorer.health).to_contain_text("Chirp answers again.")
        expect(explorer.notice).to_be_empty()
        assert explorer.run("MyTweets")["data"]["me"]["username"] == name
        expect(explorer.health).to_be_empty()
        forgive(watch, 503)

    def test_outage_of_the_network_is_shown_until_it_ends(
        self, explorer: Explorer, watch: Watch
    ) -> None:
        for path in ("graphql", "healthz"):
            explorer.page.route(f"**/{path}", lambda route: route.abort())
        explorer.choose("MyTweets")
        explorer.page.get_by_role("button", name="Execute query").click()
        expect(explorer.notice).to_contain_text("Chirp cannot be reached.")
        explorer.page.unroute_all()
        expect(explorer.health).to_contain_text("Chirp answers again.")
        watch.complaints[:] = [text for text in watch.complaints if "net::ERR_FAILED" not in text]
