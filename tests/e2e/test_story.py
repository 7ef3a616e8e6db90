"""The main use cases through the public port: sign up, sign in, tweet, retweet, list, sign out."""

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import asyncpg
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from client.api import Account, body, run, send
from client.documents import CREATE_TWEET, MY_TWEETS, REFRESH_SESSION, RETWEET, SIGN_IN
from subgraphs.auth.keys import SigningKey
from tests.stack import RunningStack, eventually

pytestmark = pytest.mark.needs("tweets", "notifier")

SignUp = Callable[[], Account]

ACROSS = """query ($first: Int!) { me { username tweets(first: $first) {
    edges { node { text author { username } retweetOf { author { username } } viewerHasRetweeted } }
} } }"""


def status(client: httpx.Client, token: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    return client.post("/graphql", json={"query": "{ me { id } }"}, headers=headers).status_code


class TestStory:
    def test_sign_up_tweet_retweet_list_and_sign_out(
        self, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada, grace = sign_up(), sign_up()
        tweet = run(edge, CREATE_TWEET, ada, text="Hello 👋")["createTweet"]
        assert tweet["author"]["username"] == ada.username

        retweet = run(edge, RETWEET, grace, id=tweet["id"])["retweet"]
        assert retweet["retweetCount"] == 1
        assert retweet["retweetOf"] == {
            "id": tweet["id"],
            "author": {"username": ada.username},
        }

        (edge_of_ada,) = run(edge, MY_TWEETS, ada)["myTweets"]["edges"]
        assert edge_of_ada["node"] == {
            "id": tweet["id"],
            "text": "Hello 👋",
            "retweetCount": 1,
            "viewerHasRetweeted": False,
            "author": {"username": ada.username},
        }
        (edge_of_grace,) = run(edge, MY_TWEETS, grace)["myTweets"]["edges"]
        assert edge_of_grace["node"]["viewerHasRetweeted"] is True

        run(edge, "mutation { signOut { sessionIds } }", ada)
        assert status(edge, ada.token) == 401
        assert status(edge, grace.token) == 200

    def test_unknown_tweet_is_an_error_value(self, edge: httpx.Client, sign_up: SignUp) -> None:
        answer = run(edge, RETWEET, sign_up(), id=str(uuid4()))
        assert answer["retweet"] == {"__typename": "TweetNotFoundError"}

    def test_anonymous_tweet_is_unauthenticated(self, edge: httpx.Client) -> None:
        answer = send(edge, CREATE_TWEET, text="Hello")
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == "UNAUTHENTICATED"

    def test_session_is_limited_to_its_scopes(self, edge: httpx.Client, sign_up: SignUp) -> None:
        ada = sign_up()
        login = {"login": ada.username, "password": ada.password, "scopes": ["tweets:read"]}
        signed_in = run(edge, SIGN_IN, input=login)["signIn"]
        assert signed_in["session"]["scopes"] == ["tweets:read"]
        headers = {"authorization": f"Bearer {signed_in['accessToken']}"}
        answer = edge.post("/graphql", json=body(CREATE_TWEET, {"text": "Hello"}), headers=headers)
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == "FORBIDDEN"
        assert edge.post("/graphql", json={"query": MY_TWEETS}, headers=headers).json()["data"]

    def test_timeline_is_paged_without_gap_or_repetition(
        self, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        texts = [f"tweet {n}" for n in range(7)]
        for text in texts:
            run(edge, CREATE_TWEET, ada, text=text)
        seen, after = [], None
        while True:
            page = run(edge, MY_TWEETS, ada, first=3, after=after)["myTweets"]
            seen += [entry["node"]["text"] for entry in page["edges"]]
            if not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
        assert seen == texts[::-1]


class TestSessions:
    def test_session_shows_user_agent_and_address_from_the_edge(
        self, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        login = {"login": ada.username, "password": ada.password}
        answer = edge.post(
            "/graphql",
            json={"query": SIGN_IN, "variables": {"input": login}},
            headers={"user-agent": "Phone/1.0", "x-client-address": "203.0.113.9"},
        )
        session = answer.json()["data"]["signIn"]["session"]
        assert session["userAgent"] == "Phone/1.0"
        assert session["address"] == "127.0.0.1"

    def test_sign_out_everywhere_ends_all_sessions(
        self, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        login = {"login": ada.username, "password": ada.password}
        tokens = [run(edge, SIGN_IN, input=login)["signIn"]["accessToken"] for _ in range(2)]
        run(edge, "mutation { signOutEverywhere { __typename } }", ada)
        assert [status(edge, token) for token in [ada.token, *tokens]] == [401] * 3

    def test_revoked_session_ends_and_others_continue(
        self, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        login = {"login": ada.username, "password": ada.password}
        phone = run(edge, SIGN_IN, input=login)["signIn"]
        mutation = "mutation ($id: ID!) { revokeSession(id: $id) { __typename } }"
        run(edge, mutation, ada, id=phone["session"]["id"])
        assert status(edge, phone["accessToken"]) == 401
        assert status(edge, ada.token) == 200

    @pytest.mark.asvs("7.2.4")
    def test_reauthentication_replaces_the_tokens(
        self, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        document = """mutation ($p: String!) { reauthenticate(password: $p) {
            ... on Reauthenticated { accessToken session { id } } } }"""
        new = run(edge, document, ada, p=ada.password)["reauthenticate"]
        assert status(edge, ada.token) == 401
        assert status(edge, new["accessToken"]) == 200

    def test_refresh_continues_the_session_and_a_reused_token_ends_it(
        self, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        login = {"login": ada.username, "password": ada.password}
        first = run(edge, SIGN_IN, input=login)["signIn"]
        second = run(edge, REFRESH_SESSION, token=first["refreshToken"])["refreshSession"]
        repeated = run(edge, REFRESH_SESSION, token=first["refreshToken"])["refreshSession"]
        assert repeated["refreshToken"] == second["refreshToken"]
        third = run(edge, REFRESH_SESSION, token=second["refreshToken"])["refreshSession"]
        assert status(edge, third["accessToken"]) == 200
        stolen = run(edge, REFRESH_SESSION, token=first["refreshToken"])["refreshSession"]
        assert stolen == {"__typename": "InvalidRefreshTokenError"}
        for answer in (first, second, third):
            assert status(edge, answer["accessToken"]) == 401

    def test_deleted_account_cannot_be_used(self, edge: httpx.Client, sign_up: SignUp) -> None:
        ada = sign_up()
        mutation = "mutation ($p: String!) { deleteAccount(password: $p) { __typename } }"
        assert run(edge, mutation, ada, p=ada.password) == {
            "deleteAccount": {"__typename": "AccountDeleted"}
        }
        assert status(edge, ada.token) == 401
        login = {"login": ada.username, "password": ada.password}
        assert run(edge, SIGN_IN, input=login)["signIn"] == {
            "__typename": "InvalidCredentialsError"
        }

    def test_sign_out_holds_during_an_outage_of_valkey(
        self, edge: httpx.Client, sign_up: SignUp, stack: RunningStack
    ) -> None:
        ada, grace = sign_up(), sign_up()
        assert status(edge, ada.token) == 200
        stack.kill("valkey")
        try:
            run(edge, "mutation { signOut { sessionIds } }", ada)
            assert status(edge, ada.token) == 401
            assert status(edge, grace.token) == 200
        finally:
            stack.restart("valkey")
        assert status(edge, ada.token) == 401

    def test_sign_out_holds_after_a_restart_of_auth(
        self, edge: httpx.Client, sign_up: SignUp, stack: RunningStack
    ) -> None:
        ada, grace = sign_up(), sign_up()
        run(edge, "mutation { signOut { sessionIds } }", ada)
        stack.kill("auth")
        stack.restart("auth")
        eventually(lambda: status(edge, grace.token) == 200, "auth is available again")
        assert status(edge, ada.token) == 401


class TestForgedTokens:
    @pytest.fixture
    def forge(self, stack: RunningStack, sign_up: SignUp) -> Callable[..., str]:
        """Return the function that signs the claims of a valid token again, with changes."""
        ours = stack.signing_keys.signing
        good = jwt.decode(sign_up().token, options={"verify_signature": False})

        def make(key: SigningKey = ours, *, without: str = "", **changes: object) -> str:
            claims = {name: value for name, value in good.items() if name != without}
            return jwt.encode(claims | changes, key.private, "ES256", headers={"kid": ours.id})

        return make

    def test_unchanged_token_is_accepted(
        self, edge: httpx.Client, forge: Callable[..., str]
    ) -> None:
        assert status(edge, forge()) == 200

    def test_expired_token_is_refused(self, edge: httpx.Client, forge: Callable[..., str]) -> None:
        assert status(edge, forge(exp=int(time.time()) - 1)) == 401

    @pytest.mark.parametrize("change", [{"iss": "https://elsewhere.example"}, {"aud": "other"}])
    def test_other_issuer_or_audience_is_refused(
        self, edge: httpx.Client, forge: Callable[..., str], change: dict[str, str]
    ) -> None:
        assert status(edge, forge(**change)) == 401

    @pytest.mark.parametrize("claim", ["exp", "iss", "aud", "sub", "sid", "scopes", "context"])
    def test_missing_claim_is_refused(
        self, edge: httpx.Client, forge: Callable[..., str], claim: str
    ) -> None:
        assert status(edge, forge(without=claim)) == 401

    def test_other_key_under_the_same_kid_is_refused(
        self, edge: httpx.Client, forge: Callable[..., str]
    ) -> None:
        assert status(edge, forge(SigningKey.generate())) == 401

    def test_altered_payload_is_refused(
        self, edge: httpx.Client, forge: Callable[..., str]
    ) -> None:
        header, payload, signature = forge().split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
        claims["scopes"] = ["account:write"]
        altered = base64url(json.dumps(claims).encode())
        assert status(edge, f"{header}.{altered}.{signature}") == 401

    @pytest.mark.parametrize("algorithm", ["none", "HS256"])
    def test_other_algorithm_is_refused(
        self, edge: httpx.Client, forge: Callable[..., str], algorithm: str
    ) -> None:
        """HS256 signed with the public key: the classic algorithm confusion."""
        header, payload, _ = forge().split(".")
        fields = json.loads(base64.urlsafe_b64decode(header + "==")) | {"alg": algorithm}
        message = f"{base64url(json.dumps(fields).encode())}.{payload}"
        (key,) = edge.get("/.well-known/jwks.json").json()["keys"]
        public = jwt.PyJWK(key).key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        digest = hmac.digest(public, message.encode(), "sha256")
        signature = "" if algorithm == "none" else base64url(digest)
        assert status(edge, f"{message}.{signature}") == 401


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class TestAcrossSubgraphs:
    def test_one_operation_reads_from_both_subgraphs(
        self, edge: httpx.Client, sign_up: SignUp
    ) -> None:
        ada = sign_up()
        run(edge, CREATE_TWEET, ada, text="Hello")
        assert run(edge, ACROSS, ada, first=2)["me"] == {
            "username": ada.username,
            "tweets": {
                "edges": [
                    {
                        "node": {
                            "text": "Hello",
                            "author": {"username": ada.username},
                            "retweetOf": None,
                            "viewerHasRetweeted": False,
                        }
                    }
                ]
            },
        }

    @pytest.fixture
    async def postgres(
        self, stack: RunningStack
    ) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        """Connect as a superuser while the server logs every statement."""
        password = (stack.data / "postgres.password").read_text().strip()
        port = stack.settings["POSTGRES_PORT"]
        connection = await asyncpg.connect(f"postgresql://postgres:{password}@127.0.0.1:{port}")
        logging = {"log_min_messages": "log", "log_statement": "all"}
        for name, value in logging.items():
            await connection.execute(f"SET {name} = '{value}'")

        async def set_for_services(verb: str) -> None:
            for role in ("auth", "tweets"):
                for name, value in logging.items():
                    setting = f"{name} = '{value}'" if verb == "SET" else name
                    await connection.execute(f"ALTER ROLE {role} {verb} {setting}")
                stack.kill(role)
                stack.restart(role)

        await set_for_services("SET")
        yield connection
        await set_for_services("RESET")
        await connection.close()

    async def test_number_of_statements_does_not_grow_with_the_rows(
        self,
        edge: httpx.Client,
        sign_up: SignUp,
        stack: RunningStack,
        postgres: "asyncpg.Connection[asyncpg.Record]",
    ) -> None:
        ada, grace = sign_up(), sign_up()
        for n in range(10):
            run(edge, CREATE_TWEET, ada, text=f"tweet {n}")
            other = run(edge, CREATE_TWEET, grace, text=f"other {n}")["createTweet"]["id"]
            run(edge, RETWEET, ada, id=other)

        async def mark() -> str:
            """Write a mark into the server's log, and return it when it is there."""
            text = f"mark-{uuid4()}"
            await postgres.execute(f"SELECT '{text}'")
            eventually(lambda: text in stack.log.read_text(), "the mark is in the log")
            return text

        async def statements(first: int) -> int:
            start = await mark()
            answer = run(edge, ACROSS, ada, first=first)
            assert len(answer["me"]["tweets"]["edges"]) == first
            end = await mark()
            logged = stack.log.read_text().partition(start)[2].partition(end)[0]
            return sum(
                "LOG:  execute" in line and ("FROM users" in line or "FROM tweets" in line)
                for line in logged.splitlines()
            )

        await statements(1)
        counts = [await statements(first) for first in (1, 2, 20)]
        assert counts[0] > 0
        assert len(set(counts)) == 1
