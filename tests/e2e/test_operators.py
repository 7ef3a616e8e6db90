"""What operators do on a running system, by the commands that they run."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from chassis.topology import declared
from client import api
from client.api import Account, run, send
from client.documents import SIGN_IN, TWEET_FEED
from client.mailbox import Mailbox
from client.subscription import subscribed
from stack.services import settings_of
from tests.stack import ON_ONE_ROUTER, RunningStack

# The command acts beside the auth process; a router takes no part.
pytestmark = [ON_ONE_ROUTER, pytest.mark.needs("tweets", "notifier")]

ME = "{ me { username } }"
EVENTS = """{ securityEvents(first: 100) {
    edges { node { kind byOperator address userAgent sessionId } } } }"""


def accounts(stack: RunningStack, *arguments: str) -> tuple[int, str, str]:
    """Run `accounts …` as a process beside auth; return status, output and errors."""
    done = subprocess.run(
        [sys.executable, "-m", declared()["auth"].module, "accounts", *arguments],
        env={**os.environ, **settings_of("auth", stack.settings)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return done.returncode, done.stdout, done.stderr


def act(stack: RunningStack, *arguments: str) -> Any:
    """Run `accounts … --json` and return what it prints."""
    status, output, errors = accounts(stack, *arguments, "--json", "--operator", "grace")
    assert (status, errors) == (0, "")
    return json.loads(output)


def outcome(edge: httpx.Client, login: str, password: str) -> str:
    answer = run(edge, SIGN_IN, input={"login": login, "password": password})
    return str(answer["signIn"]["__typename"])


@pytest.mark.asvs("7.4.5")
@pytest.mark.parametrize(
    ("action", "subject"),
    [
        ("disable", "Your account was disabled"),
        ("end-sessions", "You were signed out everywhere"),
        ("require-reset", "Choose a new password"),
        ("delete", "Your account was deleted"),
    ],
)
def test_tokens_and_subscriptions_have_ended_when_the_command_returns(
    edge: httpx.Client,
    stack: RunningStack,
    sign_up_verified: Callable[[], Account],
    mailbox: Mailbox,
    action: str,
    subject: str,
) -> None:
    ada = sign_up_verified()
    phone = api.sign_in(edge, ada.username, ada.password)
    with subscribed(stack.url, TWEET_FEED, phone.token) as feed:
        acted = act(stack, action, ada.username)
        for session in (ada, phone):
            answer = send(edge, ME, session)
            assert answer.status_code == 401
            assert answer.json()["errors"][0]["extensions"]["reason"] == "SESSION_ENDED"
        feed.expect_end()
    assert acted["action"] == action
    assert acted["userId"] == ada.id
    assert acted["changed"]
    assert len(acted["endedSessions"]) == 2
    assert acted["mailed"]
    mailbox.wait_for(ada.email, lambda mail: mail["subject"] == subject)
    signs_in = outcome(edge, ada.username, ada.password)
    assert signs_in == ("SignedIn" if action == "end-sessions" else "InvalidCredentialsError")


@pytest.mark.asvs("7.4.2")
def test_disabled_account_signs_in_again_once_it_is_enabled(
    edge: httpx.Client, stack: RunningStack, sign_up_verified: Callable[[], Account]
) -> None:
    ada = sign_up_verified()
    act(stack, "disable", ada.email)
    assert outcome(edge, ada.username, ada.password) == "InvalidCredentialsError"
    assert act(stack, "enable", ada.id)["changed"]
    again = api.sign_in(edge, ada.username, ada.password)
    edges = run(edge, EVENTS, again)["securityEvents"]["edges"]
    nodes = [each["node"] for each in reversed(edges)]
    assert [node["kind"] for node in nodes] == [
        "SIGNED_UP",
        "EMAIL_VERIFIED",
        "ACCOUNT_DISABLED",
        "SIGN_IN_FAILED",
        "ACCOUNT_ENABLED",
        "SIGNED_IN_ON_NEW_DEVICE",
    ]
    assert [node["byOperator"] for node in nodes] == [False, False, True, False, True, False]
    by_request = [node for node in nodes if not node["byOperator"]]
    assert {node["address"] for node in by_request} == {"127.0.0.1"}
    assert all(node["userAgent"].startswith("python-httpx/") for node in by_request)
    assert all(node["sessionId"] for node in by_request if node["kind"] != "SIGN_IN_FAILED")


def test_account_is_shown_to_the_operator(
    stack: RunningStack, sign_up: Callable[[], Account]
) -> None:
    ada = sign_up()
    shown = act(stack, "show", ada.username, "--reason", "ticket 12")
    assert (shown["userId"], shown["email"], shown["disabledAt"]) == (ada.id, ada.email, None)
    assert [event["kind"] for event in shown["securityEvents"]] == ["signed-up"]
    shown = act(stack, "show", ada.username)
    newest = shown["securityEvents"][0]
    assert (newest["kind"], newest["operator"], newest["reason"]) == (
        "account-viewed",
        "grace",
        "ticket 12",
    )
    status, text, _ = accounts(stack, "show", ada.username)
    assert status == 0
    assert f"email: {ada.email}" in text
    assert "ticket 12" in text


def test_unknown_account_is_an_exit_status_of_its_own(stack: RunningStack) -> None:
    assert accounts(stack, "disable", "unknown_user", "--json") == (
        3,
        "",
        "auth: no account has this username, address or id\n",
    )


def test_no_log_names_the_person(
    stack: RunningStack, edge: httpx.Client, sign_up: Callable[[], Account]
) -> None:
    ada = sign_up()
    act(stack, "disable", ada.username)
    outcome(edge, ada.username, ada.password)
    log = stack.log.read_text()
    assert log
    assert not re.search(f"{re.escape(ada.email)}|{re.escape(ada.password)}", log)


def test_command_without_valkey_still_ends_sessions(
    edge: httpx.Client, stack: RunningStack, sign_up: Callable[[], Account]
) -> None:
    ada = sign_up()
    stack.kill("valkey")
    try:
        status, output, errors = accounts(stack, "end-sessions", ada.username, "--json")
        assert (status, len(json.loads(output)["endedSessions"])) == (0, 1)
        assert "publication failed" in errors
        assert send(edge, ME, ada).status_code == 401
    finally:
        stack.restart("valkey")
