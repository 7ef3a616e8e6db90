"""A new password ends sessions in every process before its mutation answers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from client import api
from client.api import Account, expect, run
from client.documents import CHANGE_PASSWORD, CREATE_TWEET, TWEET_FEED
from client.mailbox import Mailbox, code_in
from client.subscription import subscribed
from tests.stack import RunningStack, another_process

pytestmark = pytest.mark.needs("tweets", "notifier")

NEW_PASSWORD = "a new correct horse"
FORGOT = """mutation ($email: String!) {
    requestPasswordReset(email: $email) { __typename }
}"""
RESET = """mutation ($input: ResetPasswordInput!) {
    resetPassword(input: $input) { __typename ... on PasswordChanged { sessionIds } }
}"""


@pytest.fixture(scope="module")
def auths(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The addresses of two auth processes."""
    with another_process(stack, "auth", tmp_path_factory.mktemp("auth")) as second:
        yield [stack.auth_url, second]


@pytest.fixture(scope="module")
def tweets(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The addresses of two tweets processes."""
    with another_process(stack, "tweets", tmp_path_factory.mktemp("tweets")) as second:
        yield [stack.tweets_url, second]


def status(auth_url: str, account: Account) -> int:
    """Return the status of an auth process's answer to the edge about the account's token."""
    answer = httpx.get(f"{auth_url}/authorize/graphql", headers=account.headers, trust_env=False)
    return answer.status_code


def reset(edge: httpx.Client, mailbox: Mailbox, account: Account) -> None:
    """Set NEW_PASSWORD with a mailed code."""
    run(edge, FORGOT, email=account.email)
    mail = mailbox.wait_for(account.email, lambda mail: "reset-password" in mail.as_string())
    given = {"code": code_in(mail), "newPassword": NEW_PASSWORD}
    expect("PasswordChanged", run(edge, RESET, input=given)["resetPassword"])


class TestEveryProcess:
    @pytest.mark.parametrize("how", ["resetPassword", "changePassword"])
    def test_old_token_and_old_streams_end_before_the_answer(
        self,
        edge: httpx.Client,
        stack: RunningStack,
        auths: list[str],
        tweets: list[str],
        mailbox: Mailbox,
        sign_up_verified: Callable[[], Account],
        how: str,
    ) -> None:
        old = sign_up_verified()
        current = api.sign_in(edge, old.username, old.password)
        secret = {"x-router-secret": stack.settings["ROUTER_SECRET"]}
        with ExitStack() as sockets:
            streams = [
                sockets.enter_context(
                    subscribed(url, TWEET_FEED, old.token, path="/graphql/stream", headers=secret)
                )
                for url in tweets
            ]
            run(edge, CREATE_TWEET, current, text="before")
            for stream in streams:
                assert stream.next()["tweetFeed"]["tweet"]["text"] == "before"
            if how == "resetPassword":
                reset(edge, mailbox, old)
                current = api.sign_in(edge, old.username, NEW_PASSWORD)
            else:
                given = {"current": old.password, "new": NEW_PASSWORD}
                outcome = run(edge, CHANGE_PASSWORD, current, **given)["changePassword"]
                expect("PasswordChanged", outcome)
            assert [status(url, old) for url in auths] == [401, 401]
            assert [status(url, current) for url in auths] == [200, 200]
            run(edge, CREATE_TWEET, current, text="after")
            for stream in streams:
                # Fails if a message with the tweet comes before the end.
                stream.expect_end_at_once()
