"""The metrics of a stack, and a log without secrets."""

import json
import re
import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from client.api import Account, bearer, run, send
from client.documents import CREATE_TWEET, MY_TWEETS, REFRESH_SESSION, RETWEET, SIGN_IN
from tests.e2e.subscribers import Subscribe
from tests.e2e.test_federated_subscriptions import catch_up, directly, item_of
from tests.e2e.test_mail import OPT_IN, RetweetMails, mails  # noqa: F401  (a fixture)
from tests.stack import ON_ONE_ROUTER, RunningStack, eventually

pytestmark = pytest.mark.needs("tweets", "notifier")

SignUp = Callable[[], Account]
SIGN_OUT = "mutation { signOut { sessionIds } }"
DELETE = "mutation ($p: String!) { deleteAccount(password: $p) { __typename } }"


def metrics_of(url: str) -> dict[str, float]:
    """Return the value of every series of a service, by its name and labels."""
    text = httpx.get(f"{url}/metrics", trust_env=False).text
    return {
        f"{sample.name}{json.dumps(sample.labels, sort_keys=True)}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def increase(before: dict[str, float], after: dict[str, float], name: str, **labels: str) -> float:
    key = f"{name}{json.dumps(labels, sort_keys=True)}"
    assert key in after, key
    return after[key] - before.get(key, 0.0)


class TestMetrics:
    def test_operations_authorizations_and_mails_are_counted(
        self, edge: httpx.Client, stack: RunningStack, sign_up: SignUp
    ) -> None:
        auth, tweets, notifier = (
            metrics_of(url) for url in (stack.auth_url, stack.tweets_url, stack.notifier_url)
        )
        ada, grace = sign_up(), sign_up()
        run(edge, OPT_IN, ada, on=True)
        given = {"login": ada.username, "password": "not it at all"}
        run(edge, SIGN_IN, input=given)
        tweet = run(edge, CREATE_TWEET, ada, text="Hello")["createTweet"]["id"]
        run(edge, RETWEET, grace, id=tweet)
        edge.post("/graphql", json={"query": MY_TWEETS}, headers={"authorization": "Bearer x"})

        def of(service: str, operation: str, result: str = "ok") -> float:
            before, url = {
                "auth": (auth, stack.auth_url),
                "tweets": (tweets, stack.tweets_url),
            }[service]
            name = "chirp_graphql_operation_seconds_count"
            return increase(before, metrics_of(url), name, operation=operation, result=result)

        assert of("auth", "signUp") == 2
        assert of("auth", "signIn", "InvalidCredentialsError") == 1
        assert of("tweets", "createTweet") == of("tweets", "retweet") == 1
        answers, name = metrics_of(stack.auth_url), "chirp_authorizations_total"
        assert increase(auth, answers, name, answer="accepted") == 3
        assert (
            increase(auth, answers, "chirp_token_verifications_total") == 3
        )  # the invalid one too
        assert increase(auth, answers, name, answer="invalid") == 1
        assert increase(auth, answers, name, answer="anonymous") >= 3
        eventually(
            lambda: (
                increase(
                    notifier, metrics_of(stack.notifier_url), "chirp_mails_total", result="sent"
                )
                >= 1
            ),
            "the mail is counted",
        )

    @ON_ONE_ROUTER
    def test_unpublished_events_are_measured(
        self, edge: httpx.Client, stack: RunningStack, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        stack.kill("valkey")
        try:
            run(edge, CREATE_TWEET, ada, text="Hello")

            def unpublished() -> float:
                name = 'chirp_outbox_unpublished_events{"stream": "events.tweets"}'
                return metrics_of(stack.tweets_url)[name]

            eventually(lambda: unpublished() >= 1, "it waits in the outbox")
            age = metrics_of(stack.tweets_url)[
                'chirp_outbox_oldest_unpublished_seconds{"stream": "events.tweets"}'
            ]
            assert age > 0
        finally:
            stack.restart("valkey")
        eventually(lambda: unpublished() == 0, "it is published")

        # The lag is unknown, and so not exported, while Redis is unavailable.
        name = 'chirp_stream_lag_events{"group": "notifier", "stream": "events.tweets"}'
        eventually(lambda: metrics_of(stack.tweets_url).get(name) == 0, "it has been read")
        connections = metrics_of(stack.tweets_url)
        assert connections['chirp_database_connections{"state": "limit"}'] == 10
        assert connections["chirp_event_loop_lag_seconds_count{}"] > 0

    @ON_ONE_ROUTER
    def test_completions_are_counted_and_one_that_waits_for_the_router_has_an_age(
        self, edge: httpx.Client, stack: RunningStack, subscribe: Subscribe, sign_up: SignUp
    ) -> None:
        def oldest() -> float:
            return metrics_of(stack.tweets_url)["chirp_completion_oldest_seconds{}"]

        before = metrics_of(stack.tweets_url)
        client, ada = subscribe("graphql-ws"), sign_up()
        catch_up(client, edge, ada)
        name, after = "chirp_completion_seconds_count", metrics_of(stack.tweets_url)
        assert increase(before, after, name, result="ok") >= 1
        stack.kill("router")
        try:
            directly(stack, ada, CREATE_TWEET, text="during")
            eventually(lambda: oldest() > 0, "the event waits")
        finally:
            stack.restart("router")
        item_of(client, "during")
        eventually(lambda: oldest() == 0, "no event waits")

    @pytest.mark.parametrize(
        "path",
        ["/metrics", "/auth/metrics", "/tweets/metrics", "/graphql/metrics", "/email/metrics"],
    )
    def test_metrics_cannot_be_reached_through_the_edge(
        self, edge: httpx.Client, path: str
    ) -> None:
        answer = edge.get(path)
        assert answer.status_code == 404
        assert "chirp_" not in answer.text


class TestLog:
    def test_log_contains_no_secret(
        self,
        edge: httpx.Client,
        stack: RunningStack,
        sign_up: SignUp,
        mails: RetweetMails,  # noqa: F811
        verify: Callable[[Account], None],
    ) -> None:
        ada, grace = sign_up(), sign_up()
        known = self._secrets_of(stack)
        for person in (ada, grace):
            known |= {person.token, person.password, f"{person.username}@example.com"}
        verify(ada)
        run(edge, OPT_IN, ada, on=True)
        given = {"login": f"{ada.username}@example.com", "password": ada.password}
        session = run(edge, SIGN_IN, input=given)["signIn"]
        renewed = run(edge, REFRESH_SESSION, token=session["refreshToken"])["refreshSession"]
        for tokens in (session, renewed):
            known |= {tokens["accessToken"], tokens["refreshToken"]}
        wrong = secrets.token_urlsafe(12)
        run(edge, SIGN_IN, input={"login": ada.username, "password": wrong})
        run(edge, REFRESH_SESSION, token=wrong + "a")
        edge.post("/graphql", json={"query": MY_TWEETS}, headers=bearer(f"{wrong}b"))
        edge.get("/graphql", params={"query": "{ me { id } }", "token": wrong})
        literal = f'mutation {{ signIn(input: {{login: "x", password: "{wrong}"}}) {{ nothing }} }}'
        edge.post("/graphql", json={"query": literal})
        known.add(wrong)
        tweet = run(edge, CREATE_TWEET, ada, text="Hello")["createTweet"]["id"]
        run(edge, RETWEET, grace, id=tweet)
        (mail,) = mails.wait_for(ada)
        link = re.fullmatch(r"<(http.*)>", mail["list-unsubscribe"].replace("\n", ""))
        assert link
        known.add(link[1].partition("token=")[2])
        httpx.post(link[1], trust_env=False)
        stack.kill("postgres")
        try:
            edge.post("/graphql", json={"query": SIGN_IN, "variables": {"input": given}})
        finally:
            stack.restart("postgres")
        eventually(lambda: edge.get("/healthz").status_code == 200, "the stack is healthy again")
        run(edge, SIGN_OUT, ada)
        run(edge, DELETE, grace, p=grace.password)
        assert send(edge, MY_TWEETS, ada).status_code == 401

        log = stack.log.read_text()
        assert ada.id in log  # user ids may be logged
        found = [line for line in log.splitlines() if any(secret in line for secret in known)]
        assert not found

    def _secrets_of(self, stack: RunningStack) -> set[str]:
        found = {
            value
            for name, value in stack.settings.items()
            if name.endswith(("_SECRET", "_PASSWORD", "_KEYS", "_KEY"))
        }
        urls = [value for name, value in stack.settings.items() if name.endswith("_URL")]
        found |= {password for url in urls if (password := urlsplit(url).password)}
        found |= {key.key.serialize() for key in stack.signing_keys.keys}
        return {secret for secret in found if secret}
