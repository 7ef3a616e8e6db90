"""The edge: which requests it forwards, which it answers itself, and that it fails closed."""

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from chassis.topology import stream_path
from client.api import Account
from tests.e2e.beside import edge_beside
from tests.stack import ON_ONE_ROUTER, RunningStack, eventually

ME = {"query": "{ me { id } }"}
NEEDS_TWEETS = pytest.mark.needs("tweets")
TWEETS = {"query": "{ myTweets { edges { node { id } } } }"}
ORIGIN = "http://localhost:5173"
SECRETS = [None, "guess", "", "-"]

SignUp = Callable[[], Account]


def spoofed(user_id: str, secret: str | None) -> dict[str, str]:
    """Return the headers that the edge would set for this user, as a client might guess them."""
    headers = {
        "x-auth-user-id": user_id,
        "x-auth-username": "mallory",
        "x-auth-scopes": "account:read account:write tweets:read tweets:write",
        "x-auth-session-id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "x-auth-expires-at": "4102444800",
    }
    return headers if secret is None else headers | {"x-router-secret": secret}


def code(answer: httpx.Response) -> str:
    """Return the code of the only GraphQL error of the response."""
    assert answer.headers["content-type"].startswith("application/json")
    [error] = answer.json()["errors"]
    assert error["message"]
    return str(error["extensions"]["code"])


class TestSpoofedIdentity:
    @pytest.mark.parametrize("secret", SECRETS)
    def test_spoofed_headers_leave_the_client_anonymous(
        self, edge: httpx.Client, sign_up: SignUp, secret: str | None
    ) -> None:
        victim = sign_up()
        answer = edge.post("/graphql", json=ME, headers=spoofed(victim.id, secret))
        assert answer.status_code == 200
        assert answer.json() == {"data": {"me": None}}

    def test_the_right_secret_from_a_client_is_ignored(
        self, edge: httpx.Client, stack: RunningStack, sign_up: SignUp
    ) -> None:
        headers = spoofed(sign_up().id, stack.settings["ROUTER_SECRET"])
        assert edge.post("/graphql", json=ME, headers=headers).json() == {"data": {"me": None}}

    def test_the_token_wins_over_spoofed_headers(self, edge: httpx.Client, sign_up: SignUp) -> None:
        victim, mallory = sign_up(), sign_up()
        headers = mallory.headers | spoofed(victim.id, "guess")
        assert edge.post("/graphql", json=ME, headers=headers).json() == {
            "data": {"me": {"id": mallory.id}}
        }

    def test_mixed_case_and_duplicate_headers_are_removed(
        self, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        victim = sign_up()
        headers = [
            ("X-Auth-User-Id", victim.id),
            ("x-AUTH-user-ID", victim.id),
            ("x-auth-user-id", victim.id),
            ("X-Auth-Scopes", "account:read"),
            ("X-Auth-Username", "mallory"),
            ("X-Auth-Expires-At", "4102444800"),
            ("X-Router-Secret", "guess"),
            ("x-router-secret", "guess"),
        ]
        assert edge.post("/graphql", json=ME, headers=headers).json() == {"data": {"me": None}}

    @pytest.mark.parametrize("name", ["x_auth_user_id", "X_Router_Secret", "x-auth_user-id"])
    def test_header_name_with_an_underscore_is_refused(self, edge: httpx.Client, name: str) -> None:
        answer = edge.post("/graphql", json=ME, headers={name: "someone"})
        assert answer.status_code == 400
        assert code(answer) == "BAD_REQUEST"

    @pytest.mark.parametrize("secret", SECRETS)
    @NEEDS_TWEETS
    def test_subgraphs_refuse_spoofed_headers_sent_to_the_router(
        self, stack: RunningStack, sign_up: SignUp, secret: str | None
    ) -> None:
        victim = sign_up()
        for query in (ME, TWEETS):
            answer = httpx.post(
                f"{stack.router_url}/graphql", json=query, headers=spoofed(victim.id, secret)
            )
            assert answer.json()["errors"]
            assert not any((answer.json().get("data") or {}).values())
            assert victim.id not in answer.text

    @NEEDS_TWEETS
    def test_subgraphs_accept_the_right_secret_sent_to_the_router(
        self, stack: RunningStack, sign_up: SignUp
    ) -> None:
        """The control for the test above."""
        victim = sign_up()
        headers = spoofed(victim.id, stack.settings["ROUTER_SECRET"])
        answer = httpx.post(f"{stack.router_url}/graphql", json=ME, headers=headers)
        assert answer.json() == {"data": {"me": {"id": victim.id}}}

    @pytest.mark.parametrize("secret", SECRETS)
    @pytest.mark.parametrize("service", ["auth", pytest.param("tweets", marks=NEEDS_TWEETS)])
    @pytest.mark.parametrize("query", ["{ __typename }", "{ _service { sdl } }"])
    def test_subgraphs_refuse_spoofed_headers_sent_to_them(
        self, stack: RunningStack, service: str, query: str, secret: str | None
    ) -> None:
        url = stack.service_urls[service]
        answer = httpx.post(
            f"{url}/graphql", json={"query": query}, headers=spoofed("someone", secret)
        )
        assert answer.status_code == 403
        assert "data" not in answer.json()

    def test_client_address_is_that_of_the_connection(
        self, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        account = sign_up()
        query = """mutation ($input: SignInInput!) { signIn(input: $input) {
            ... on SignedIn { session { address userAgent } } } }"""
        given = {"login": account.username, "password": account.password}
        answer = edge.post(
            "/graphql",
            json={"query": query, "variables": {"input": given}},
            headers={
                "user-agent": "teapot/1",
                "x-client-address": "203.0.113.9",
                "x-forwarded-for": "203.0.113.9",
                "x-envoy-external-address": "203.0.113.9",
            },
        )
        session = answer.json()["data"]["signIn"]["session"]
        assert session == {"address": "127.0.0.1", "userAgent": "teapot/1"}

    def test_request_id_is_set_by_the_edge(self, edge: httpx.Client) -> None:
        answer = edge.post("/graphql", json=ME, headers={"x-request-id": "mine"})
        assert answer.headers["x-request-id"] not in {"", "mine"}


@ON_ONE_ROUTER
class TestRefusedToken:
    @pytest.mark.asvs("7.2.1")
    def test_response_is_a_graphql_error_with_www_authenticate(self, edge: httpx.Client) -> None:
        answer = edge.post("/graphql", json=ME, headers={"authorization": "Bearer nonsense"})
        assert answer.status_code == 401
        assert code(answer) == "UNAUTHENTICATED"
        assert answer.headers["www-authenticate"].startswith("Bearer")

    def test_response_is_readable_from_an_allowed_origin(self, edge: httpx.Client) -> None:
        headers = {"authorization": "Bearer nonsense", "origin": ORIGIN}
        answer = edge.post("/graphql", json=ME, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "www-authenticate" in answer.headers["access-control-expose-headers"]

    def test_blank_authorization_is_anonymous(self, edge: httpx.Client) -> None:
        answer = edge.post("/graphql", json=ME, headers={"authorization": ""})
        assert (answer.status_code, answer.json()) == (200, {"data": {"me": None}})

    def test_two_tokens_are_refused(self, edge: httpx.Client, sign_up: SignUp) -> None:
        token = sign_up().headers["authorization"]
        headers = [("authorization", token), ("authorization", token)]
        assert edge.post("/graphql", json=ME, headers=headers).status_code in {400, 401}


@ON_ONE_ROUTER
class TestCors:
    def preflight(self, edge: httpx.Client, origin: str) -> httpx.Response:
        headers = {
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
            "authorization": "Bearer nonsense",
        }
        return edge.request("OPTIONS", "/graphql", headers=headers)

    @pytest.mark.parametrize("origin", [ORIGIN, "http://127.0.0.1:4000", "https://localhost"])
    def test_preflight_needs_no_valid_token(self, edge: httpx.Client, origin: str) -> None:
        answer = self.preflight(edge, origin)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == origin
        assert "POST" in answer.headers["access-control-allow-methods"]
        allowed = answer.headers["access-control-allow-headers"].split(", ")
        assert {"authorization", "content-type", "baggage", "sentry-trace"} <= set(allowed)

    def test_every_response_varies_by_origin(self, edge: httpx.Client) -> None:
        page = edge.get("/").text
        asset = page.partition('src="')[2].partition('"')[0]
        answers = {
            "JWKS": edge.get("/.well-known/jwks.json", headers={"origin": ORIGIN}),
            "page": edge.get("/", headers={"origin": ORIGIN}),
            "asset": edge.get(asset, headers={"origin": ORIGIN}),
            "asset without an origin": edge.get(asset),
            "data": edge.post("/graphql", json=ME, headers={"origin": ORIGIN}),
            "refused": edge.post("/graphql", json=ME, headers={"authorization": "x"}),
        }
        for name, answer in answers.items():
            varies = answer.headers.get("vary", "").lower().replace(" ", "").split(",")
            assert "origin" in varies, name

    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "http://localhost.evil.example", "null"]
    )
    def test_unknown_origin_is_not_allowed(self, edge: httpx.Client, origin: str) -> None:
        assert "access-control-allow-origin" not in self.preflight(edge, origin).headers
        answer = edge.post("/graphql", json=ME, headers={"origin": origin})
        assert "access-control-allow-origin" not in answer.headers


class TestCorsSettings:
    """A second edge before the same services, with other origins and headers."""

    @pytest.fixture
    def other_edge(self, stack: RunningStack, tmp_path: Path) -> Iterator[httpx.Client]:
        settings = {
            "EDGE_ALLOWED_ORIGINS": "https://app.example, https://admin.example/",
            "EDGE_ALLOWED_HEADERS": "X-Tenant",
        }
        with edge_beside(stack, tmp_path, **settings) as client:
            yield client

    def test_listed_origins_and_headers_are_allowed_and_no_others(
        self, other_edge: httpx.Client
    ) -> None:
        for origin in ("https://app.example", "https://admin.example"):
            headers = {"origin": origin, "access-control-request-method": "POST"}
            answer = other_edge.request("OPTIONS", "/graphql", headers=headers)
            assert answer.headers["access-control-allow-origin"] == origin
            assert "x-tenant" in answer.headers["access-control-allow-headers"].split(", ")
            asked = other_edge.post("/graphql", json=ME, headers={"origin": origin})
            assert asked.headers["access-control-allow-origin"] == origin
        asked = other_edge.post("/graphql", json=ME, headers={"origin": ORIGIN})
        assert "access-control-allow-origin" not in asked.headers


class TestLimits:
    def test_body_over_the_limit_is_refused(self, edge: httpx.Client) -> None:
        answer = edge.post("/graphql", json={"query": "{ me { id } }" + " " * 262_144})
        assert answer.status_code == 413
        assert code(answer) == "PAYLOAD_TOO_LARGE"

    def test_chunked_body_over_the_limit_is_refused(self, edge: httpx.Client) -> None:
        def body() -> Iterator[bytes]:
            yield from (b" " * 100_000 for _ in range(3))

        headers = {"content-type": "application/json"}
        answer = edge.post("/graphql", content=body(), headers=headers)
        assert answer.status_code == 413

    def test_headers_over_the_limit_are_refused(self, edge: httpx.Client) -> None:
        answer = edge.post("/graphql", json=ME, headers={"x-padding": "x" * 40_000})
        assert answer.status_code == 431
        assert code(answer) == "REQUEST_HEADERS_TOO_LARGE"

    def test_upgrade_to_another_protocol_is_refused(self, edge: httpx.Client) -> None:
        headers = {"connection": "upgrade", "upgrade": "ftp"}
        answer = edge.get("/graphql", headers=headers)
        assert answer.status_code == 403
        assert code(answer) == "FORBIDDEN"

    @pytest.mark.parametrize("offered", ["TLS/1.2", "TLS/1.2, HTTP/2.0", "h2c", "HTTP/3.0"])
    def test_upgrade_offer_on_a_post_is_ignored(self, edge: httpx.Client, offered: str) -> None:
        headers = {"connection": "upgrade", "upgrade": offered}
        answer = edge.post("/graphql", json=ME, headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"data": {"me": None}})

    def test_websocket_upgrade_by_post_is_refused(self, edge: httpx.Client) -> None:
        """An edge that waited for the end of the body would answer after 30 s."""
        headers = {"connection": "upgrade", "upgrade": "websocket"}
        answer = edge.post("/graphql", json=ME, headers=headers, timeout=20)
        assert answer.status_code == 403
        assert code(answer) == "FORBIDDEN"
        assert "GET" in answer.json()["errors"][0]["message"]

    @NEEDS_TWEETS
    def test_nested_pages_over_the_object_limit_are_refused(
        self, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        query = "{ me { id } }"
        for _ in range(3):
            query = f"{{ author {{ tweets(first: 100) {{ edges {{ node {query} }} }} }} }}"
        query = f"{{ myTweets(first: 100) {{ edges {{ node {query.replace('me', 'author')} }} }} }}"
        answer = edge.post("/graphql", json={"query": query}, headers=sign_up().headers)
        assert answer.json()["errors"]
        assert answer.json()["data"] is None

    @NEEDS_TWEETS
    def test_exponential_fragments_are_refused(self, edge: httpx.Client) -> None:
        author = "tweets { edges { node { author { ...me } } } }"
        fragments = "".join(
            f"fragment F{n} on User {{ a: {deeper} b: {deeper} }} "
            for n, deeper in ((n, author.replace("me", f"F{n + 1}")) for n in range(17))
        )
        query = f"{{ me {{ ...F0 }} }} {fragments} fragment F17 on User {{ id }}"
        answer = edge.post("/graphql", json={"query": query})
        assert answer.status_code == 400
        assert answer.json()["errors"]


URQL = (
    "application/graphql-response+json, application/graphql+json, application/json, "
    "text/event-stream, multipart/mixed"
)
CURL = "*/*"
JSON_ACCEPTED = [
    *("text/event-stream, */*;q=0.1", "Text/Event-Stream;q=0, */*"),
    *("application/json;x=subscriptionSpec", 'application/json;x="text/event-stream"'),
]
STREAMS = ["multipart/mixed;subscriptionSpec=1.0, application/json", "text/event-stream"]
STREAM_PATHS = ["/graphql", pytest.param(stream_path("tweets"), marks=NEEDS_TWEETS)]
"""Paths that lead to the subscriptions of tweets."""


@ON_ONE_ROUTER
class TestStreams:
    """The route past the router, for subscriptions only."""

    @pytest.mark.parametrize("accept", STREAMS)
    @pytest.mark.parametrize("path", STREAM_PATHS)
    def test_missing_token_is_refused_with_401(
        self, edge: httpx.Client, sign_up: SignUp, path: str, accept: str
    ) -> None:
        headers = spoofed(sign_up().id, "guess") | {"accept": accept, "origin": ORIGIN}
        answer = edge.post(path, json=ME, headers=headers)
        assert answer.status_code == 401
        assert code(answer) == "UNAUTHENTICATED"
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["access-control-allow-origin"] == ORIGIN

    @pytest.mark.parametrize("accept", STREAMS)
    @NEEDS_TWEETS
    def test_invalid_token_is_refused_with_401(self, edge: httpx.Client, accept: str) -> None:
        headers = {"accept": accept, "authorization": "Bearer nonsense"}
        answer = edge.post("/graphql", json=ME, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["errors"][0]["extensions"]["reason"] == "INVALID"

    @pytest.mark.parametrize(
        "accept",
        [
            *STREAMS,
            "application/json, multipart/mixed;subscriptionSpec=1.0",
            "text/event-stream, image/png",
        ],
    )
    @pytest.mark.parametrize(
        "query",
        [
            "{ __typename }",
            "{ _service { sdl } }",
            "{ _entities(representations: []) { __typename } }",
            'mutation { createTweet(input: {text: "x"}) { __typename } }',
        ],
    )
    def test_stream_serves_only_subscriptions(
        self, edge: httpx.Client, sign_up: SignUp, accept: str, query: str
    ) -> None:
        headers = sign_up().headers | {"accept": accept}
        answer = edge.post("/graphql", json={"query": query}, headers=headers)
        assert '"data"' not in answer.text
        assert "sdl" not in answer.text
        assert "BAD_REQUEST" in answer.text

    @pytest.mark.parametrize("accept", [URQL, *JSON_ACCEPTED])
    @NEEDS_TWEETS
    def test_json_in_accept_wins_over_event_stream(
        self, edge: httpx.Client, sign_up: SignUp, accept: str
    ) -> None:
        account = sign_up()
        headers = account.headers | {"accept": accept}
        query = {"query": 'mutation { createTweet(input: {text: "x"}) { __typename } }'}
        answer = edge.post("/graphql", json=query, headers=headers)
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == {"data": {"createTweet": {"__typename": "Tweet"}}}
        answer = edge.post("/graphql", json=ME, headers=headers)
        assert answer.json() == {"data": {"me": {"id": account.id}}}

    @pytest.mark.parametrize("accept", [URQL, "application/json", CURL])
    @NEEDS_TWEETS
    def test_subscription_that_accepts_json_is_refused_with_the_accept_to_send(
        self, edge: httpx.Client, sign_up: SignUp, accept: str
    ) -> None:
        headers = sign_up().headers | {"accept": accept}
        query = {"query": "subscription { tweetFeed { cursor } }"}
        answer = edge.post("/graphql", json=query, headers=headers)
        assert answer.status_code == 406
        assert code(answer) == "SUBSCRIPTION_BAD_HEADER"
        assert "multipart/mixed;subscriptionSpec=1.0" in answer.json()["errors"][0]["message"]

    @pytest.mark.parametrize("accept", ["text/event-stream;q=0", "image/png"])
    @NEEDS_TWEETS
    def test_event_stream_with_q_0_is_not_acceptable(
        self, edge: httpx.Client, sign_up: SignUp, accept: str
    ) -> None:
        headers = sign_up().headers | {"accept": accept}
        query = {"query": "subscription { tweetFeed { cursor } }"}
        assert edge.post("/graphql", json=query, headers=headers).status_code == 406

    @pytest.mark.parametrize("accept", STREAMS)
    @NEEDS_TWEETS
    def test_media_type_of_a_subscription_is_case_insensitive(
        self, edge: httpx.Client, sign_up: SignUp, accept: str
    ) -> None:
        headers = sign_up().headers | {"accept": accept, "content-type": "Application/JSON"}
        body = json.dumps({"query": "subscription { tweetFeed { cursor } }"})
        with edge.stream("POST", "/graphql", content=body, headers=headers) as answer:
            assert answer.status_code == 200

    def test_websocket_with_an_invalid_token_does_not_open(self, stack: RunningStack) -> None:
        with pytest.raises(InvalidStatus) as refused:
            socket(stack, {"authorization": "Bearer nonsense"})
        assert refused.value.response.status_code == 401

    def test_websocket_uses_the_token_of_its_upgrade(
        self, stack: RunningStack, sign_up: SignUp
    ) -> None:
        with socket(stack, sign_up().headers) as client:
            client.send('{"type": "connection_init"}')
            assert json.loads(client.recv(timeout=5)) == {"type": "connection_ack"}
            message = {"id": "1", "type": "subscribe", "payload": {"query": "{ _service { sdl } }"}}
            client.send(json.dumps(message))
            answer = json.loads(client.recv(timeout=5))
            assert (answer["id"], answer["type"]) == ("1", "error")

    @pytest.mark.parametrize("path", STREAM_PATHS)
    @pytest.mark.parametrize("is_secret_right", [False, True])
    def test_websocket_without_a_token_is_anonymous(
        self, stack: RunningStack, sign_up: SignUp, path: str, is_secret_right: bool
    ) -> None:
        secret = stack.settings["ROUTER_SECRET"] if is_secret_right else "guess"
        with socket(stack, spoofed(sign_up().id, secret), path) as client:
            client.send('{"type": "connection_init"}')
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=5)
            assert (client.close_code, client.close_reason) == (4401, "Sign in first.")

    def test_internal_stream_path_is_not_reachable(self, edge: httpx.Client) -> None:
        assert edge.post("/graphql/stream", json=ME).status_code == 404


def socket(
    stack: RunningStack, headers: dict[str, str], path: str = "/graphql"
) -> ClientConnection:
    return connect(
        f"{stack.url.replace('http', 'ws')}{path}",
        additional_headers=headers,
        subprotocols=[Subprotocol("graphql-transport-ws")],
        proxy=None,
    )


@ON_ONE_ROUTER
class TestBrowser:
    """A link to the API that a person opens."""

    CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

    @pytest.mark.parametrize("path", ["/graphql", "/graphql/"])
    def test_link_leads_to_the_explorer(self, edge: httpx.Client, path: str) -> None:
        answer = edge.get(path, headers={"accept": self.CHROME})
        assert (answer.status_code, answer.headers["location"]) == (302, f"{edge.base_url}/")

    def test_parameters_of_a_link_stay_in_it(self, edge: httpx.Client) -> None:
        answer = edge.get("/graphql?query=%7Bme%7Bid%7D%7D", headers={"accept": self.CHROME})
        assert answer.headers["location"] == f"{edge.base_url}/?query=%7Bme%7Bid%7D%7D"

    def test_query_of_a_script_is_answered(self, edge: httpx.Client) -> None:
        headers = {"accept": self.CHROME, "apollo-require-preflight": "true"}
        answer = edge.get("/graphql", params=ME, headers=headers)
        assert answer.json() == {"data": {"me": None}}

    def test_api_answers_at_a_trailing_slash(self, edge: httpx.Client) -> None:
        assert edge.post("/graphql/", json=ME).json() == {"data": {"me": None}}

    @NEEDS_TWEETS
    def test_subscription_works_at_a_trailing_slash(
        self, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        headers = sign_up().headers | {"accept": "text/event-stream"}
        query = {"query": "subscription { tweetFeed { cursor } }"}
        with edge.stream("POST", "/graphql/", json=query, headers=headers) as answer:
            assert answer.status_code == 200


@ON_ONE_ROUTER
class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [
            *("/graphqlx", "/GRAPHQL", "/graphql;x"),
            *("/health", "/metrics", "/livez", "/readyz", "/authorize", "/authorize/graphql"),
            *("/stats", "/config_dump", "/quitquitquit", "/.well-known/openid-configuration"),
        ],
    )
    def test_unknown_path_is_not_found(self, edge: httpx.Client, path: str) -> None:
        answer = edge.get(path, headers={"authorization": "Bearer nonsense"})
        assert answer.status_code == 404
        assert code(answer) == "NOT_FOUND"

    @pytest.mark.parametrize(
        "path",
        [
            "/.well-known/jwks.json/../../authorize",
            "/.well-known/../authorize",
            "/.well-known%2f..%2fauthorize",
            "/.well-known/%2e%2e/readyz",
            "//authorize",
        ],
    )
    def test_path_tricks_do_not_bypass_the_routes(self, stack: RunningStack, path: str) -> None:
        """Sends the path as it is; a client library would normalise it."""
        connection = http.client.HTTPConnection(urlsplit(stack.url).netloc, timeout=10)
        try:
            connection.request("GET", path)
            assert connection.getresponse().status in {400, 404}
        finally:
            connection.close()

    def test_explorer_needs_no_token(self, edge: httpx.Client) -> None:
        for headers in ({}, {"authorization": "Bearer nonsense"}):
            answer = edge.get("/", headers=headers)
            assert answer.status_code == 200
            assert "script-src 'self'" in answer.headers["content-security-policy"]

    def test_public_keys_need_no_token(self, edge: httpx.Client) -> None:
        for headers in ({}, {"authorization": "Bearer nonsense"}):
            answer = edge.get("/.well-known/jwks.json", headers=headers)
            assert answer.status_code == 200
            assert {key["alg"] for key in answer.json()["keys"]} == {"ES256"}
            assert not any("d" in key for key in answer.json()["keys"])

    def test_responses_are_not_cached(self, edge: httpx.Client) -> None:
        assert edge.post("/graphql", json=ME).headers["cache-control"] == "no-store"


class TestOperations:
    """How the router answers invalid operations; its stand-in must answer the same."""

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ("{", "INVALID_GRAPHQL_REQUEST"),
            ("3", "INVALID_GRAPHQL_REQUEST"),
            ("null", "INVALID_GRAPHQL_REQUEST"),
            ("[]", "BATCHING_NOT_ENABLED"),
            (json.dumps([ME, ME]), "BATCHING_NOT_ENABLED"),
            ('{"query": "{ me"}', "PARSING_ERROR"),
            ('{"query": "{ nothing }"}', "GRAPHQL_VALIDATION_FAILED"),
            (json.dumps({"query": "{" + " __typename" * 5001 + "}"}), "PARSING_ERROR"),
            (json.dumps({"query": "{ a" * 300 + " }" * 300}), "PARSING_ERROR"),
            ('{"query": "query A { me { id } }", "operationName": "B"}', None),
            ('{"query": "query A { me { id } } query B { me { id } }"}', None),
            ('{"query": "subscription { tweetFeed }"}', None),
        ],
        ids=[
            *("bad-json", "scalar", "null", "empty-batch", "batch", "syntax", "unknown", "tokens"),
            *("nesting", "unknown-operation", "which-operation", "subscription"),
        ],
    )
    def test_malformed_request_is_a_bad_request(
        self, edge: httpx.Client, body: str, expected: str | None
    ) -> None:
        headers = {"content-type": "application/json"}
        answer = edge.post("/graphql", content=body, headers=headers)
        assert answer.status_code == 400
        codes = {error["extensions"]["code"] for error in answer.json()["errors"]}
        assert expected in codes or (expected is None and all(codes))

    @NEEDS_TWEETS
    def test_variable_of_the_wrong_type_is_refused(self, edge: httpx.Client) -> None:
        query = "query ($id: ID!) { tweet(id: $id) { id } }"
        answer = edge.post("/graphql", json={"query": query, "variables": {"id": None}})
        assert answer.status_code == 400

    @pytest.mark.parametrize(
        "content_type", ["", "text/plain", "application/x-www-form-urlencoded"]
    )
    def test_cross_site_form_is_refused(self, edge: httpx.Client, content_type: str) -> None:
        headers = {"content-type": content_type} if content_type else {}
        answer = edge.post("/graphql", content=json.dumps(ME).encode(), headers=headers)
        assert answer.status_code == 400
        assert code(answer) == "CSRF_ERROR"

    def test_cross_site_link_is_refused(self, edge: httpx.Client) -> None:
        answer = edge.get("/graphql", params=ME)
        assert answer.status_code == 400
        assert code(answer) == "CSRF_ERROR"

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
    def test_other_methods_are_refused(self, edge: httpx.Client, method: str) -> None:
        answer = edge.request(method, "/graphql")
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, POST"

    def test_body_of_another_media_type_is_refused(self, edge: httpx.Client) -> None:
        headers = {"content-type": "application/graphql"}
        answer = edge.post("/graphql", content="{ me { id } }", headers=headers)
        assert answer.status_code == 415
        assert code(answer) == "INVALID_CONTENT_TYPE_HEADER"

    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "nonsense"])
    def test_compressed_body_is_refused(self, edge: httpx.Client, encoding: str) -> None:
        answer = edge.post("/graphql", json=ME, headers={"content-encoding": encoding})
        assert answer.status_code == 415
        assert code(answer) == "UNSUPPORTED_MEDIA_TYPE"

    def test_unsupported_accept_is_not_acceptable(self, edge: httpx.Client) -> None:
        answer = edge.post("/graphql", json=ME, headers={"accept": "image/png"})
        assert answer.status_code == 406

    def test_mutation_by_get_is_refused(self, edge: httpx.Client) -> None:
        answer = edge.get(
            "/graphql",
            params={"query": "mutation { signOut { sessionIds } }"},
            headers={"apollo-require-preflight": "yes"},
        )
        assert answer.status_code == 405

    def test_introspection_is_on_in_development(self, edge: httpx.Client) -> None:
        answer = edge.post("/graphql", json={"query": "{ __schema { queryType { name } } }"})
        assert answer.json() == {"data": {"__schema": {"queryType": {"name": "Query"}}}}


@ON_ONE_ROUTER
class TestFailure:
    @NEEDS_TWEETS
    def test_requests_fail_closed_without_auth(
        self, edge: httpx.Client, stack: RunningStack, sign_up: SignUp
    ) -> None:
        account = sign_up()
        stack.kill("auth")
        try:
            for headers in ({}, account.headers, {"authorization": "Bearer nonsense"}):
                answer = edge.post("/graphql", json=TWEETS, headers=headers)
                assert answer.status_code == 503
                assert code(answer) == "SERVICE_UNAVAILABLE"
        finally:
            stack.restart("auth")

        def is_back() -> bool:
            return edge.post("/graphql", json=ME, headers=account.headers).status_code == 200

        eventually(is_back, "the edge authorises again")

    def test_missing_router_is_a_graphql_error(
        self, edge: httpx.Client, stack: RunningStack
    ) -> None:
        stack.kill("router")
        try:
            answer = edge.post("/graphql", json=ME)
            assert answer.status_code == 503
            assert code(answer) == "SERVICE_UNAVAILABLE"
        finally:
            stack.restart("router")
        eventually(lambda: edge.post("/graphql", json=ME).status_code == 200, "it answers again")

    @pytest.mark.parametrize("name", [pytest.param("tweets", marks=NEEDS_TWEETS), "auth", "router"])
    def test_healthz_covers_every_service(
        self, edge: httpx.Client, stack: RunningStack, name: str
    ) -> None:
        eventually(lambda: edge.get("/healthz").status_code == 200, "healthy before")
        stack.kill(name)
        try:
            eventually(lambda: edge.get("/healthz").status_code == 503, f"ill without {name}")
        finally:
            stack.restart(name)
        eventually(lambda: edge.get("/healthz").status_code == 200, "healthy again")

    def test_api_works_without_the_explorer(self, edge: httpx.Client, stack: RunningStack) -> None:
        stack.kill("explorer")
        try:
            eventually(lambda: edge.get("/").status_code == 503, "there is no page")
            assert edge.get("/healthz").status_code == 200
            assert edge.post("/graphql", json=ME).status_code == 200
        finally:
            stack.restart("explorer")
        eventually(lambda: edge.get("/").status_code == 200, "the page is back")


class TestSecrets:
    def test_no_log_or_rendered_file_contains_a_secret(
        self, edge: httpx.Client, stack: RunningStack, sign_up: SignUp
    ) -> None:
        account = sign_up()
        answer = edge.post("/graphql?trace=1", json=ME, headers=account.headers)
        request_id = answer.headers["x-request-id"]
        eventually(lambda: request_id in stack.log.read_text(), "the request is logged")
        eventually(lambda: f'"user_id":"{account.id}"' in stack.log.read_text(), "and who it was")
        log = stack.log.read_text()
        for secret in (account.token, account.password, stack.settings["ROUTER_SECRET"]):
            assert secret not in log
        assert stack.settings["ROUTER_SECRET"] not in (stack.data / "edge.yaml").read_text()
