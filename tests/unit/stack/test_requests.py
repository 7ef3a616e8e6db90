"""The line that a terminal shows for each request to the API."""

import io
import json
from typing import Any

import pytest

from stack.console import Console
from stack.requests import describe

ENTRY: dict[str, Any] = {
    "path": "/graphql",
    "method": "POST",
    "status": 200,
    "duration_ms": 11,
    "username": "ada",
    "operation": "createTweet",
    "outcome": "ok",
}


def described(**changes: Any) -> str:
    return describe(json.dumps(ENTRY | changes))


class TestDescribe:
    def test_line_has_operation_user_time_and_outcome(self) -> None:
        assert described() == "createTweet ada 11 ms ok"

    @pytest.mark.parametrize("outcome", ["FORBIDDEN", "InvalidTweetError"])
    def test_error_is_named(self, outcome: str) -> None:
        assert described(outcome=outcome) == f"createTweet ada 11 ms {outcome}"

    def test_anonymous_request_has_no_name(self) -> None:
        assert described(operation="signIn", username=None) == "signIn - 11 ms ok"

    def test_request_that_no_gateway_described_shows_its_method_and_status(self) -> None:
        refused = described(operation=None, outcome=None, status=401, username=None)
        assert refused == "POST - 11 ms 401"

    @pytest.mark.parametrize("path", ["/graphql/", "/graphql/stream", "/graphql/stream/likes"])
    @pytest.mark.parametrize("status", [101, 200])
    def test_subscription_is_ok(self, path: str, status: int) -> None:
        ended = described(operation="subscription", outcome=None, status=status, path=path)
        assert ended == "subscription ada 11 ms ok"

    @pytest.mark.parametrize(
        "path", ["/", "/assets/index.js", "/healthz", "/account/verify-email", "/graphqls"]
    )
    def test_pages_are_not_shown(self, path: str) -> None:
        assert described(path=path) == ""

    @pytest.mark.parametrize("line", ["", "[critical] no memory", "[]", "7"])
    def test_other_lines_are_not_shown(self, line: str) -> None:
        assert describe(line) == ""


class TestConsole:
    def test_quiet_console_shows_the_description_of_a_routine_line(self) -> None:
        shown = io.StringIO()
        Console(shown, quiet=True).line("edge", "{}", routine=True, short="me ada 3 ms ok")
        assert shown.getvalue() == "me ada 3 ms ok\n"

    def test_verbose_console_shows_the_line_itself(self) -> None:
        shown = io.StringIO()
        Console(shown).line("edge", "{}", routine=True, short="me ada 3 ms ok")
        assert shown.getvalue() == "     edge | {}\n"
