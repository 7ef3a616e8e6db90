"""Objects found by their id, users found by their name, and what Relay makes of it."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from client.api import Account, run, send, sign_in, sign_up
from client.documents import RETWEET
from tests.e2e.roll_over import tweet
from tests.e2e.subscribers import CLIENTS, Subscriber, driven, installed_node
from tests.stack import RunningStack

pytestmark = pytest.mark.needs("tweets")

EXAMPLES = CLIENTS / "examples"
NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
DETAILS = """query ($id: ID!) { node(id: $id) {
    id
    ... on User { username tweets(first: 1) { edges { node { text } } } }
    ... on Tweet { text author { username } }
} }"""
USER = """query ($name: String!) { user(username: $name) {
    id username email emailVerified createdAt tweets(first: 1) { edges { node { text } } }
} }"""


def node(edge: httpx.Client, account: Account, id: str, query: str = NODE) -> Any:
    return run(edge, query, account, id=id)["node"]


def code(answer: httpx.Response) -> str:
    return str(answer.json()["errors"][0]["extensions"]["code"])


@pytest.fixture(scope="module")
def ada(stack: RunningStack) -> Account:
    with httpx.Client(base_url=stack.url, trust_env=False) as edge:
        return sign_up(edge)


class TestNode:
    def test_user_and_tweet_are_found_by_their_ids(self, edge: httpx.Client, ada: Account) -> None:
        tweet_id = tweet(edge, ada, "found")
        assert node(edge, ada, ada.id) == {"__typename": "User", "id": ada.id}
        assert node(edge, ada, tweet_id) == {"__typename": "Tweet", "id": tweet_id}
        assert node(edge, ada, tweet_id, DETAILS) == {
            "id": tweet_id,
            "text": "found",
            "author": {"username": ada.username},
        }
        user = node(edge, ada, ada.id, DETAILS)
        assert user["tweets"]["edges"] == [{"node": {"text": "found"}}]

    def test_retweet_is_found(self, edge: httpx.Client, ada: Account) -> None:
        retweet = run(edge, RETWEET, ada, id=tweet(edge, ada, "hello"))["retweet"]
        assert node(edge, ada, retweet["id"]) == {"__typename": "Tweet", "id": retweet["id"]}

    def test_unknown_and_deleted_objects_are_null(self, edge: httpx.Client, ada: Account) -> None:
        tweet_id = tweet(edge, ada, "hello")
        run(edge, "mutation ($id: ID!) { deleteTweet(id: $id) { __typename } }", ada, id=tweet_id)
        of_no_type = str(uuid4())
        of_an_earlier_release = "01890a5d-ac96-774b-bcce-b302099a8057"
        for missing in (tweet_id, of_no_type, of_an_earlier_release, "1", ""):
            assert node(edge, ada, missing) is None
            assert node(edge, ada, missing, DETAILS) is None

    def test_anonymous_request_is_refused(self, edge: httpx.Client, ada: Account) -> None:
        assert code(send(edge, NODE, id=ada.id)) == "UNAUTHENTICATED"

    def test_tweet_needs_the_scope_that_it_needs_elsewhere(
        self, edge: httpx.Client, ada: Account
    ) -> None:
        session = sign_in(
            edge, ada.username, ada.password, scopes=["account:read"], deviceToken=ada.device_token
        )
        answer = send(edge, DETAILS, session, id=tweet(edge, ada, "hello"))
        assert code(answer) == "FORBIDDEN"
        assert answer.json()["data"] == {"node": None}


class TestUser:
    def test_another_user_is_found_in_any_case_with_public_fields_only(
        self, edge: httpx.Client, ada: Account
    ) -> None:
        tweet(edge, ada, "latest")
        found = run(edge, USER, sign_up(edge), name=f" {ada.username.upper()} ")["user"]
        assert found.pop("createdAt")
        assert found == {
            "id": ada.id,
            "username": ada.username,
            "email": None,
            "emailVerified": None,
            "tweets": {"edges": [{"node": {"text": "latest"}}]},
        }

    def test_unknown_name_and_address_are_null(self, edge: httpx.Client, ada: Account) -> None:
        for name in ("nobody_has_it", ada.email, ada.email.upper(), "%", ""):
            assert run(edge, USER, ada, name=name)["user"] is None

    def test_anonymous_request_is_refused(self, edge: httpx.Client, ada: Account) -> None:
        assert code(send(edge, USER, name=ada.username)) == "UNAUTHENTICATED"


class TestRelay:
    """relay-compiler on the schema that the stack serves, and what it compiles at run time."""

    @pytest.fixture(scope="class")
    def artifacts(self, stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Path:
        project = tmp_path_factory.mktemp("relay")
        (project / "src").mkdir()
        shutil.copy(EXAMPLES / "relay.config.json", project)
        shutil.copy(EXAMPLES / "relay-documents.js", project / "src")
        schema = httpx.get(f"{stack.url}/schema.graphql", trust_env=False).raise_for_status()
        (project / "schema.graphql").write_text(schema.text)
        compiler = CLIENTS / "node_modules" / "relay-compiler" / "cli.js"
        done = subprocess.run(
            [installed_node(), compiler], cwd=project, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return project / "src" / "__generated__"

    @pytest.fixture
    def page(
        self, edge: httpx.Client, stack: RunningStack, artifacts: Path
    ) -> Iterator[tuple[Subscriber, Account]]:
        """The profile of a user with one tweet, shown to another user."""
        author, reader = sign_up(edge), sign_up(edge)
        tweet(edge, author, "first")
        script = str(CLIENTS / "relay-refetch.mjs")
        arguments = (f"{stack.url}/graphql", str(artifacts), reader.token, author.username)
        with driven("relay", [installed_node(), script, *arguments]) as client:
            yield client, author

    def test_user_is_refetched(self, edge: httpx.Client, page: tuple[Subscriber, Account]) -> None:
        client, author = page
        client.do("show")
        assert [post["text"] for post in client.wait_for("shown")["posts"]] == ["first"]
        tweet(edge, author, "second")
        client.do("refetch", fragment="Profile_user", id=author.id)
        refetched = client.wait_for("refetched")
        assert (refetched["id"], refetched["username"]) == (author.id, author.username)
        assert [post["text"] for post in refetched["posts"]] == ["second", "first"]

    def test_tweet_is_refetched(self, edge: httpx.Client, page: tuple[Subscriber, Account]) -> None:
        client, author = page
        tweets = run(edge, "{ myTweets { edges { node { id } } } }", author)["myTweets"]["edges"]
        tweet_id = tweets[0]["node"]["id"]
        run(edge, RETWEET, sign_up(edge), id=tweet_id)
        client.do("refetch", fragment="Post_tweet", id=tweet_id)
        [post] = client.wait_for("refetched")["posts"]
        assert (post["text"], post["retweetCount"]) == ("first", 1)
