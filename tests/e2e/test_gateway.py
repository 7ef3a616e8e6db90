"""How the router and its stand-in answer invalid requests, and what one request may cost."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from client.api import Account
from stack.router import Kind
from tests.e2e.beside import router_beside
from tests.stack import RunningStack, eventually

pytestmark = pytest.mark.needs("tweets", "notifier")

JSON = {"content-type": "application/json"}
ME = {"query": "{ me { id } }"}

SignUp = Callable[[], Account]


def errors(answer: httpx.Response) -> list[tuple[str, str]]:
    """Return the message and the code of each error."""
    assert answer.headers["content-type"].startswith("application/json")
    return [(e["message"], e["extensions"]["code"]) for e in answer.json().get("errors", [])]


def code(answer: httpx.Response) -> str:
    """Return the code of the only error."""
    [(_, found)] = errors(answer)
    return found


def tweets_of(edge: httpx.Client, account: Account) -> list[str]:
    """Return the texts of the account's tweets, oldest first."""
    query = {"query": "{ myTweets(first: 100) { edges { node { text } } } }"}
    answer = edge.post("/graphql", json=query, headers=account.headers).json()
    return [edge["node"]["text"] for edge in reversed(answer["data"]["myTweets"]["edges"])]


def tweet(alias: str) -> str:
    return f'{alias}: createTweet(input: {{text: "{alias}"}}) {{ __typename }}'


def settings(alias: str) -> str:
    return f"{alias}: updateEmailSettings(input: {{retweets: true}}) {{ __typename }}"


class TestOperationName:
    MUTATION = f"mutation {{ {tweet('a')} }}"

    def test_empty_operation_name_counts_as_absent(
        self, edge: httpx.Client, stack: RunningStack, sign_up: SignUp
    ) -> None:
        account = sign_up()
        body = {"query": self.MUTATION, "operationName": ""}
        answer = edge.post("/graphql", json=body, headers=account.headers)
        if stack.kind is Kind.ROUTER:
            # The Apollo Router treats "" as a name, which no operation can have.
            assert (answer.status_code, code(answer)) == (400, "GRAPHQL_UNKNOWN_OPERATION_NAME")
            assert tweets_of(edge, account) == []
        else:
            assert answer.json() == {"data": {"a": {"__typename": "Tweet"}}}
            assert tweets_of(edge, account) == ["a"]

    def test_null_operation_name_counts_as_absent(self, edge: httpx.Client) -> None:
        answer = edge.post("/graphql", json={**ME, "operationName": None})
        assert answer.json() == {"data": {"me": None}}

    def test_empty_operation_name_of_a_get_counts_as_absent(
        self, edge: httpx.Client, stack: RunningStack
    ) -> None:
        answer = edge.get(
            "/graphql",
            params={**ME, "operationName": ""},
            headers={"apollo-require-preflight": "yes"},
        )
        if stack.kind is Kind.ROUTER:
            assert code(answer) == "GRAPHQL_UNKNOWN_OPERATION_NAME"
        else:
            assert answer.json() == {"data": {"me": None}}

    @pytest.mark.parametrize(
        ("query", "name", "expected"),
        [
            ("mutation A { %s }", "B", "GRAPHQL_UNKNOWN_OPERATION_NAME"),
            ("mutation A { %s } query B { me { id } }", None, "GRAPHQL_VALIDATION_FAILED"),
            ("fragment F on User { id }", None, "GRAPHQL_VALIDATION_FAILED"),
        ],
    )
    def test_nothing_runs_without_a_single_operation(
        self, edge: httpx.Client, sign_up: SignUp, query: str, name: str | None, expected: str
    ) -> None:
        account = sign_up()
        body = {"query": query.replace("%s", tweet("a")), "operationName": name}
        answer = edge.post("/graphql", json=body, headers=account.headers)
        assert answer.status_code == 400
        assert expected in {code for _, code in errors(answer)}
        assert tweets_of(edge, account) == []


class TestBody:
    QUERY = b"mutation ($t: String!) { createTweet(input: {text: $t}) { __typename } }"

    def send(
        self, edge: httpx.Client, account: Account, text: bytes, content_type: str
    ) -> httpx.Response:
        body = b'{"query": "' + self.QUERY + b'", "variables": {"t": "' + text + b'"}}'
        headers = account.headers | {"content-type": content_type}
        return edge.post("/graphql", content=body, headers=headers)

    @pytest.mark.parametrize(
        "text",
        [b"caf\xe9", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf0\x9f", b"\\ud800", b"\\udc00x"],
        ids=["latin-1", "ff", "overlong", "surrogate", "cut-off", "lone-high", "lone-low"],
    )
    @pytest.mark.parametrize(
        "content_type", ["application/json", "application/json; charset=iso-8859-1"]
    )
    def test_invalid_unicode_is_refused(
        self, edge: httpx.Client, sign_up: SignUp, text: bytes, content_type: str
    ) -> None:
        account = sign_up()
        answer = self.send(edge, account, text, content_type)
        assert answer.status_code == 400
        assert code(answer) == "INVALID_GRAPHQL_REQUEST"
        assert tweets_of(edge, account) == []

    @pytest.mark.parametrize(
        ("content_type", "text"),
        [
            ("Application/JSON", "café 🩷"),
            ("application/graphql-response+json", "café 🩷"),
            ("application/json;charset=utf-8", "café 🩷"),
            ("application/json; charset=iso-8859-1", "café 🩷"),
        ],
    )
    def test_media_type_is_case_insensitive_and_json_is_utf_8(
        self, edge: httpx.Client, sign_up: SignUp, content_type: str, text: str
    ) -> None:
        account = sign_up()
        answer = self.send(edge, account, text.encode(), content_type)
        assert answer.json() == {"data": {"createTweet": {"__typename": "Tweet"}}}
        assert tweets_of(edge, account) == [text]

    @pytest.mark.parametrize(
        "body", [{}, {"query": None}, {"query": ""}, {"query": " \n"}, {"variables": {}}]
    )
    def test_request_without_a_query_is_refused(
        self, edge: httpx.Client, body: dict[str, object]
    ) -> None:
        answer = edge.post("/graphql", json=body)
        assert (answer.status_code, code(answer)) == (400, "MISSING_QUERY_STRING")

    @pytest.mark.parametrize(
        "changed",
        [
            {"query": 3},
            {"query": ["{ me { id } }"]},
            {"variables": []},
            {"variables": "{}"},
            {"operationName": 3},
            {"extensions": []},
            {"extensions": "{}"},
        ],
        ids=str,
    )
    def test_request_field_of_the_wrong_type_is_refused(
        self, edge: httpx.Client, changed: dict[str, object]
    ) -> None:
        answer = edge.post("/graphql", json=ME | changed)
        assert (answer.status_code, code(answer)) == (400, "INVALID_GRAPHQL_REQUEST")


class TestPersistedQueries:
    def body(self, sha256: object, **more: object) -> dict[str, object]:
        return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256}}, **more}

    def test_unknown_hash_is_not_found_and_then_registered(self, edge: httpx.Client) -> None:
        query = "{ me { id username createdAt } }"
        sha256 = hashlib.sha256(query.encode()).hexdigest()
        answer = edge.post("/graphql", json=self.body(sha256))
        assert (answer.status_code, errors(answer)) == (
            200,
            [("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")],
        )
        assert edge.post("/graphql", json=self.body(sha256, query=query)).json() == {
            "data": {"me": None}
        }

        def is_known() -> bool:
            answer = edge.post("/graphql", json=self.body(sha256))
            return "errors" not in answer.json()

        eventually(is_known, "the hash alone is enough")

    def test_hash_of_another_query_is_refused(self, edge: httpx.Client, sign_up: SignUp) -> None:
        account = sign_up()
        body = self.body("0" * 64, query=f"mutation {{ {tweet('a')} }}")
        answer = edge.post("/graphql", json=body, headers=account.headers)
        assert (answer.status_code, code(answer)) == (400, "PERSISTED_QUERY_HASH_MISMATCH")
        assert tweets_of(edge, account) == []

    @pytest.mark.parametrize("sha256", ["", "x", "g" * 64, "0" * 63, 3, None])
    def test_malformed_hash_counts_as_absent(self, edge: httpx.Client, sha256: object) -> None:
        answer = edge.post("/graphql", json=self.body(sha256))
        assert (answer.status_code, code(answer)) == (400, "MISSING_QUERY_STRING")
        assert edge.post("/graphql", json=self.body(sha256, **ME)).json() == {"data": {"me": None}}


class TestOperations:
    @pytest.mark.parametrize(
        "query",
        [
            "subscription { tweetFeed { cursor } }",
            "subscription S { tweetFeed { tweet { author { createdAt } } } }",
        ],
    )
    def test_subscription_by_plain_post_is_refused_with_the_accept_to_send(
        self, edge: httpx.Client, sign_up: SignUp, query: str
    ) -> None:
        headers = sign_up().headers | {"accept": "application/json"}
        answer = edge.post("/graphql", json={"query": query}, headers=headers)
        [(message, found)] = errors(answer)
        assert (answer.status_code, found) == (406, "SUBSCRIPTION_BAD_HEADER")
        assert "multipart/mixed;subscriptionSpec=1.0" in message

    def test_mutation_by_get_is_refused(self, edge: httpx.Client, sign_up: SignUp) -> None:
        account = sign_up()
        answer = edge.get(
            "/graphql",
            params={"query": f"mutation {{ {tweet('a')} }}"},
            headers=account.headers | {"apollo-require-preflight": "yes"},
        )
        assert (answer.status_code, code(answer)) == (405, "MUTATION_FORBIDDEN")
        assert tweets_of(edge, account) == []

    @pytest.mark.parametrize("accept", ["image/png", "text/html, application/*;q=0.5"])
    def test_unsupported_accept_is_refused_before_execution(
        self, edge: httpx.Client, sign_up: SignUp, accept: str
    ) -> None:
        account = sign_up()
        body = {"query": f"mutation {{ {tweet('a')} }}"}
        answer = edge.post("/graphql", json=body, headers=account.headers | {"accept": accept})
        assert (answer.status_code, code(answer)) == (406, "INVALID_ACCEPT_HEADER")
        assert tweets_of(edge, account) == []

    @pytest.mark.parametrize(
        ("query", "variables"),
        [
            ("query ($id: ID!) { tweet(id: $id) { id } }", {"id": None}),
            ("query ($id: ID!) { tweet(id: $id) { id } }", {}),
            ("query ($id: ID!) { tweet(id: $id) { id } }", {"id": [3]}),
            ("query ($n: Int! = 3) { myTweets(first: $n) { edges { cursor } } }", {"n": None}),
            ("query ($n: Int! = 3) { myTweets(first: $n) { edges { cursor } } }", {"n": "x"}),
        ],
    )
    def test_variable_of_the_wrong_type_is_refused(
        self, edge: httpx.Client, query: str, variables: dict[str, object]
    ) -> None:
        answer = edge.post("/graphql", json={"query": query, "variables": variables})
        assert answer.status_code == 400
        assert {code for _, code in errors(answer)} == {"VALIDATION_INVALID_TYPE_VARIABLE"}


class TestSubgraphRefusal:
    """The error of a subgraph that refuses a document reaches the client."""

    @pytest.mark.parametrize(
        ("query", "reason"),
        [
            (
                f"mutation {{ {' '.join(tweet(f'a{n}') for n in range(6))} }}",
                "The operation has 6 mutations; 5 are allowed.",
            ),
            (
                "{ tweet(id: 3) { " + " ".join(f"a{n}: retweetCount" for n in range(31)) + " } }",
                "The operation has 31 aliases; 30 are allowed.",
            ),
            (
                "{ myTweets(first: 100) { edges { node { author { tweets(first: 100) "
                "{ edges { node { id } } } } } } } }",
                "The operation has 30400 objects; 5000 are allowed.",
            ),
            (
                "{ tweet(id: 3) " + "{ retweetOf " * 16 + "{ id }" + " }" * 16 + " }",
                "The operation has 18 levels; 15 are allowed.",
            ),
        ],
        ids=["mutations", "aliases", "objects", "levels"],
    )
    def test_client_sees_why_a_subgraph_refused(
        self, edge: httpx.Client, sign_up: SignUp, query: str, reason: str
    ) -> None:
        account = sign_up()
        answer = edge.post("/graphql", json={"query": query}, headers=account.headers)
        assert answer.status_code == 200
        assert errors(answer)[:2] == [
            ("HTTP fetch failed from 'tweets': 400: Bad Request", "SUBREQUEST_HTTP_ERROR"),
            (reason, "GRAPHQL_VALIDATION_FAILED"),
        ]
        assert answer.json()["errors"][1]["extensions"]["reason"] == "LIMIT_EXCEEDED"
        assert tweets_of(edge, account) == []


class TestMutationsOfOneRequest:
    """Each change of subgraph starts a new fetch; the limit holds for all fetches together."""

    def run(self, edge: httpx.Client, account: Account, *fields: str) -> httpx.Response:
        body = {"query": f"mutation {{ {' '.join(fields)} }}"}
        return edge.post("/graphql", json=body, headers=account.headers)

    def test_five_mutations_run_in_any_number_of_fetches(
        self, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        account = sign_up()
        for fields in (
            [tweet(alias) for alias in "abcde"],
            [tweet("a"), settings("b"), tweet("c"), settings("d"), tweet("e")],
        ):
            answer = self.run(edge, account, *fields)
            assert "errors" not in answer.json()
            assert list(answer.json()["data"]) == list("abcde")

    def test_sixth_mutation_is_refused(self, edge: httpx.Client, sign_up: SignUp) -> None:
        account = sign_up()
        fields = [
            *(tweet("a"), settings("b"), tweet("c"), settings("d"), tweet("e")),
            *(settings("f"), tweet("g"), settings("h"), tweet("i")),
        ]
        answer = self.run(edge, account, *fields)
        assert (
            "The operation has at least 6 mutations; 5 are allowed. "
            "The first 5 ran, the others did not.",
            "GRAPHQL_VALIDATION_FAILED",
        ) in errors(answer)
        assert tweets_of(edge, account) == ["a", "c", "e"]

    def test_fetch_over_the_limit_does_not_run(self, edge: httpx.Client, sign_up: SignUp) -> None:
        account = sign_up()
        first = [tweet("a"), tweet("b"), tweet("c"), settings("d")]
        answer = self.run(edge, account, *first, tweet("e"), tweet("f"))
        assert "at least 6 mutations" in str(errors(answer))
        assert tweets_of(edge, account) == ["a", "b", "c"]

    def test_password_guesses_count_over_all_fetches(
        self, edge: httpx.Client, stack: RunningStack, sign_up: SignUp
    ) -> None:
        def guesses() -> float:
            """Return the number of sign-ins that auth has refused since it started."""
            metrics = httpx.get(f"{stack.auth_url}/metrics").text
            wanted = 'operation="signIn",result="InvalidCredentialsError"'
            counts = [
                float(line.rpartition(" ")[2])
                for line in metrics.splitlines()
                if "_count{" in line and wanted in line
            ]
            return sum(counts)

        account = sign_up()
        before = guesses()
        guess = 's%d: signIn(input: {login: "%s", password: "wrong%d"}) { __typename }'
        fields = [
            field
            for n in range(10)
            for field in (guess % (n, account.username, n), settings(f"e{n}"))
        ]
        answer = self.run(edge, account, *fields)
        assert "5 are allowed" in answer.text
        assert guesses() - before == 3

    def test_entity_fetches_between_mutations_do_not_count(
        self, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        account = sign_up()
        created = '%s: createTweet(input: {text: "%s"}) { ... on Tweet { author { createdAt } } }'
        fields = [created % (alias, alias) for alias in "abcde"]
        answer = self.run(edge, account, *fields)
        assert "errors" not in answer.json()
        assert answer.json()["data"]["e"]["author"]["createdAt"]

    def test_mutations_are_counted_per_request(self, edge: httpx.Client, sign_up: SignUp) -> None:
        account = sign_up()
        for _ in range(3):
            assert "errors" not in self.run(edge, account, *map(tweet, "abcde")).json()

    @pytest.mark.parametrize("forged", ["0", "-9", "9", "x"])
    def test_client_cannot_set_the_number_of_mutations(
        self, edge: httpx.Client, sign_up: SignUp, forged: str
    ) -> None:
        account = sign_up()
        headers = account.headers | {"x-router-mutations": forged}
        fields = [tweet("a"), settings("b"), tweet("c"), settings("d"), tweet("e"), settings("f")]
        body = {"query": f"mutation {{ {' '.join(fields[:5])} }}"}
        assert "errors" not in edge.post("/graphql", json=body, headers=headers).json()
        body = {"query": f"mutation {{ {' '.join(fields)} }}"}
        answer = edge.post("/graphql", json=body, headers=headers)
        assert "at least 6 mutations" in answer.text


class TestFetchesOfOneRequest:
    """Each fetch may have 5000 objects, so the number of fetches bounds the cost of a request."""

    def query(self, fetches: int) -> str:
        """Return an operation with one fetch from auth and `fetches` fetches after it."""
        aliases = " ".join(
            f"a{n}: me {{ tweets(first: {n + 1}) {{ edges {{ cursor }} }} }}"
            for n in range(fetches)
        )
        return f"{{ {aliases} }}"

    def test_twenty_fetches_run(self, edge: httpx.Client, sign_up: SignUp) -> None:
        body = {"query": self.query(19)}
        answer = edge.post("/graphql", json=body, headers=sign_up().headers)
        assert "errors" not in answer.json()
        assert len(answer.json()["data"]) == 19

    def test_more_than_twenty_fetches_are_refused_before_the_first(
        self, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        body = {"query": self.query(25)}
        answer = edge.post("/graphql", json=body, headers=sign_up().headers)
        assert answer.status_code == 400
        [(message, found)] = errors(answer)
        assert found == "GRAPHQL_VALIDATION_FAILED"
        assert re.fullmatch(r"The operation takes \d+ fetches .*; 20 are allowed\. .*", message)
        assert answer.json()["errors"][0]["extensions"]["reason"] == "LIMIT_EXCEEDED"
        assert not answer.json().get("data")


class TestIntrospection:
    @pytest.fixture
    def production(self, stack: RunningStack, tmp_path: Path) -> Iterator[httpx.Client]:
        """Yield a client of a gateway like the running one, without introspection."""
        with router_beside(stack, tmp_path, GRAPHQL_INTROSPECTION="false") as client:
            yield client

    @pytest.mark.parametrize(
        "query", ["{ __schema { queryType { name } } }", '{ __type(name: "User") { name } }']
    )
    def test_introspection_is_refused_when_disabled(
        self, production: httpx.Client, query: str
    ) -> None:
        answer = production.post("/graphql", json={"query": query})
        assert answer.status_code == 200
        assert {code for _, code in errors(answer)} == {"INTROSPECTION_DISABLED"}


class TestRequestId:
    @pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
    @pytest.mark.parametrize("names", [["x-request-id"], ["X-Request-ID", "x-REQUEST-id"]])
    def test_subgraphs_log_the_request_id_of_the_edge(
        self,
        edge: httpx.Client,
        stack: RunningStack,
        sign_up: SignUp,
        accept: str,
        names: list[str],
    ) -> None:
        forged = [(name, "forged-request-id") for name in names]
        headers = [*sign_up().headers.items(), ("accept", accept), *forged]
        query = {"query": "{ tweetFeedCursor }"}
        answer = edge.post("/graphql", json=query, headers=headers)
        request_id = answer.headers["x-request-id"]
        in_subgraph = f"request_id={request_id}"
        eventually(lambda: in_subgraph in stack.log.read_text(), "the subgraph logs the edge's")
        assert "forged-request-id" not in stack.log.read_text()


class TestUserAgent:
    @pytest.mark.parametrize(
        ("sent", "shown"),
        [("Кафе/1 🩷".encode(), "Кафе/1 🩷"), (b"caf\xe9/1", "café/1"), (b"plain/1", "plain/1")],
        ids=["utf-8", "latin-1", "ascii"],
    )
    def test_user_agent_is_decoded_as_sent(
        self, edge: httpx.Client, sign_up: SignUp, sent: bytes, shown: str
    ) -> None:
        account = sign_up()
        query = """mutation ($input: SignInInput!) { signIn(input: $input) {
            ... on SignedIn { session { userAgent } } } }"""
        given = {"login": account.username, "password": account.password}
        answer = edge.post(
            "/graphql",
            content=json.dumps({"query": query, "variables": {"input": given}}),
            headers=[(b"user-agent", sent), (b"content-type", b"application/json")],
        )
        assert answer.json()["data"]["signIn"]["session"]["userAgent"] == shown
