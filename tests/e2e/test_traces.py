"""One retweet is one trace, from the edge to the e-mail, in a real stack."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest

from client.api import Account, run, sign_up
from client.documents import CREATE_TWEET, RETWEET
from client.mailbox import Mailbox, verify_address
from stack.router import Kind
from tests.e2e.collector import Collector, Span
from tests.e2e.subscribers import Subscribe
from tests.e2e.test_federated_subscriptions import catch_up
from tests.e2e.test_mail import OPT_IN
from tests.stack import RunningStack, eventually, router_kinds, started

pytestmark = [
    pytest.mark.needs("tweets", "notifier"),
    pytest.mark.skipif(
        Kind.ROUTER not in router_kinds(), reason="the stand-in for the router makes no traces"
    ),
]
TEXT = "a text that no trace may show"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[RunningStack]:
    folder = tmp_path_factory.mktemp("traced")
    with started(folder, Kind.ROUTER, TRACING_ENDPOINT=collector.url) as stack:
        yield stack


@pytest.fixture(scope="module")
def story(stack: RunningStack, collector: Collector) -> tuple[list[Span], list[Account]]:
    """The spans of one retweet and the accounts involved."""
    with httpx.Client(base_url=stack.url, timeout=35, trust_env=False) as edge:
        ada, grace = sign_up(edge), sign_up(edge)
        with httpx.Client(base_url=stack.mailbox_url, trust_env=False) as mailbox:
            verify_address(edge, ada, Mailbox(mailbox))
        run(edge, OPT_IN, ada, on=True)
        tweet_id = run(edge, CREATE_TWEET, ada, text=TEXT)["createTweet"]["id"]
        literal = f'mutation {{ createTweet(input: {{text: "{TEXT}"}}) {{ __typename }} }}'
        run(edge, literal, ada)
        edge.get("/graphql", params={"query": "{ me { id } }", "secret": TEXT}, headers=ada.headers)
        run(edge, RETWEET, grace, id=tweet_id)

    def trace() -> list[Span]:
        # The mails that verify an address belong to the traces of the sign-ups.
        retweets = {span.trace for span in collector.spans if span.name == "graphql retweet"}
        mails = {span.trace for span in collector.spans if span.name == "send mail"}
        return [span for span in collector.spans if span.trace in mails & retweets]

    def is_whole() -> bool:
        spans = trace()
        known = {span.id for span in spans}
        return bool(spans) and all(not span.parent or span.parent in known for span in spans)

    eventually(is_whole, "every span of the trace has arrived")
    time.sleep(1.5)  # nothing else is to come
    if path := os.environ.get("CHIRP_TRACE"):
        Path(path).write_text(json.dumps([asdict(span) for span in trace()], indent=1))
    return trace(), [ada, grace]


Story = tuple[list[Span], list[Account]]


class TestTrace:
    def test_trace_spans_from_the_edge_to_the_email(self, story: Story) -> None:
        spans, _ = story
        by_id = {span.id: span for span in spans}
        (mail,) = [span for span in spans if span.name == "send mail"]
        way = [mail]
        while way[-1].parent:
            way.append(by_id[way[-1].parent])
        services = [span.service for span in reversed(way)]
        assert list(dict.fromkeys(services)) == ["edge", "router", "tweets", "notifier"]

    def test_trace_contains_every_participating_service(self, story: Story) -> None:
        spans, _ = story
        named = {(span.service, span.name) for span in spans}
        assert {
            ("auth", "POST /authorize"),
            ("tweets", "POST /graphql"),
            ("tweets", "graphql retweet"),
            ("tweets", "SQL INSERT"),
            ("tweets", "publish events.tweets"),
            ("notifier", "handle tweet-retweeted"),
            ("notifier", "SQL INSERT"),
            ("notifier", "send mail"),
        } <= named
        assert not [span for span in spans if span.failed]

    def test_traces_contain_no_private_data(self, story: Story, collector: Collector) -> None:
        _, people = story
        everything = b"".join(collector.received)
        for person in people:
            for secret in (person.token, person.password, f"{person.username}@example.com"):
                assert secret.encode() not in everything
        for secret in (TEXT, TEXT.replace(" ", "+"), TEXT.replace(" ", "%20")):
            places = {
                (span.service, span.name, name)
                for span in collector.spans
                for name, value in span.attributes.items()
                if secret in value
            }
            assert not places
            assert secret.encode() not in everything

    def test_completed_event_of_a_subscription_is_in_the_trace_of_its_connection(
        self, story: Story, stack: RunningStack, subscribe: Subscribe, collector: Collector
    ) -> None:
        _, (ada, _) = story
        client = subscribe("graphql-ws")
        with httpx.Client(base_url=stack.url, timeout=35, trust_env=False) as edge:
            catch_up(client, edge, ada)

        def ways() -> list[list[tuple[str, str]]]:
            """Return the spans above those of auth, from the completion of an event on."""
            by_id = {span.id: span for span in collector.spans}
            found = []
            for span in by_id.values():
                way = [span]
                while way[0].parent in by_id and not way[0].name.startswith("complete"):
                    way.insert(0, by_id[way[0].parent])
                if span.service == "auth" and way[0].name == "complete tweetFeed":
                    found.append([(each.service, each.name) for each in way])
            return found

        eventually(lambda: bool(ways()), "auth's part of an event has arrived")
        for way in ways():
            services = list(dict.fromkeys(service for service, _ in way))
            assert services == ["tweets", "router", "auth"]
        [trace] = {span.trace for span in collector.spans if span.name == "complete tweetFeed"}
        connection = [span for span in collector.spans if span.trace == trace]
        assert ("auth", "GET /authorize") in {(span.service, span.name) for span in connection}

    def test_log_contains_the_trace_id(self, story: Story, stack: RunningStack) -> None:
        spans, _ = story
        lines = stack.log.read_text().splitlines()
        named = [line for line in lines if spans[0].trace in line]
        for service in ("tweets", "auth", "edge"):
            assert any(service in line.split("|")[0] for line in named) or service == "auth", named

    def test_failed_span_is_marked(
        self, story: Story, stack: RunningStack, collector: Collector
    ) -> None:
        _, (ada, _) = story
        stack.kill("postgres")
        try:
            with httpx.Client(base_url=stack.url, timeout=35, trust_env=False) as edge:
                query = {"query": "{ myTweets { edges { node { id } } } }"}
                edge.post("/graphql", json=query, headers=ada.headers)
        finally:
            stack.restart("postgres")
        eventually(
            lambda: any(s.name == "graphql myTweets" and s.failed for s in collector.spans),
            "the failure is in a trace",
        )
