"""A person's data is exported from every service by an operator's command."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from redis import Redis

from client.api import Account, run
from client.documents import CREATE_TWEET, DELETE_ACCOUNT, MAIL_ON_RETWEETS, RETWEET
from tests.stack import ON_ONE_ROUTER, Exported, RunningStack, eventually, export

pytestmark = [pytest.mark.needs("tweets", "notifier"), ON_ONE_ROUTER]


def keys_of_exports(stack: RunningStack) -> list[str]:
    with Redis.from_url(stack.settings["REDIS_URL"], decode_responses=True) as redis:
        return [*redis.scan_iter("user-export:*")]


class TestExport:
    def test_document_has_the_data_of_every_service(
        self, stack: RunningStack, edge: httpx.Client, sign_up_verified: Callable[[], Account]
    ) -> None:
        ada, bob = sign_up_verified(), sign_up_verified()
        run(edge, MAIL_ON_RETWEETS, ada)
        tweet = run(edge, CREATE_TWEET, ada, text="Hello 👋")["createTweet"]
        other = run(edge, CREATE_TWEET, bob, text="A text of bob")["createTweet"]
        run(edge, RETWEET, bob, id=tweet["id"])
        own_retweet = run(edge, RETWEET, ada, id=other["id"])["retweet"]

        def mails() -> list[Any]:
            exported = export(stack, ada.username).document
            found: list[Any] = exported["services"]["notifier"]["mails"]
            return found

        eventually(lambda: [m["state"] for m in mails()] == ["sent"], "the mail is sent")
        exported = export(stack, ada.email)
        assert (exported.status, exported.errors) == (0, "")
        document = exported.document
        assert document["userId"] == ada.id
        assert (document["complete"], document["missing"]) == (True, {})
        services = document["services"]
        assert services.keys() == {"auth", "tweets", "notifier"}
        (account,) = services["auth"]["account"]
        assert (account["username"], account["email"]) == (ada.username, ada.email)
        assert account["emailVerifiedAt"]
        assert len(services["auth"]["sessions"]) == 1
        retweet, original = services["tweets"]["tweets"]
        assert (original["id"], original["text"]) == (tweet["id"], "Hello 👋")
        assert (retweet["id"], retweet["retweetOf"]) == (own_retweet["id"], other["id"])
        (recipient,) = services["notifier"]["recipient"]
        assert (recipient["email"], recipient["retweets"]) == (ada.email, True)
        # Nothing that lets the reader act as the user, and nothing that others wrote.
        text = json.dumps(document)
        assert "argon2" not in text
        assert "A text of bob" not in text
        assert keys_of_exports(stack) == []

    def test_deleted_account_is_not_exported(
        self, stack: RunningStack, edge: httpx.Client, sign_up: Callable[[], Account]
    ) -> None:
        ada = sign_up()
        run(edge, CREATE_TWEET, ada, text="Hello")
        run(edge, DELETE_ACCOUNT, ada, password=ada.password)
        for login in (ada.username, ada.email, ada.id):
            assert export(stack, login) == Exported(
                3, None, "auth: no account has this username, address or id\n"
            )

    def test_service_that_does_not_run_is_named(
        self, stack: RunningStack, edge: httpx.Client, sign_up: Callable[[], Account]
    ) -> None:
        ada = sign_up()
        stack.kill("tweets")
        try:
            exported = export(stack, ada.id, "--wait", "5")
        finally:
            stack.restart("tweets")
        # The edge looks every few seconds; the next test finds a healthy system.
        eventually(lambda: edge.get("/healthz").status_code == 200, "the system is healthy")
        assert exported.status == 4
        assert exported.errors == "auth: tweets is missing: no answer within 5 s\n"
        document = exported.document
        assert document["complete"] is False
        assert document["missing"] == {"tweets": "no answer within 5 s"}
        assert document["services"].keys() == {"auth", "notifier"}
        assert keys_of_exports(stack) == []
