"""The prober against another side that misbehaves, and what its accounts are called."""

import json
from collections.abc import Callable, Iterator
from threading import Thread

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import Server, ServerConnection, serve

from deploy.prober.person import Person, StepFailedError
from deploy.prober.rounds import Round, Step, steps
from deploy.prober.subscription import Subscription
from subgraphs.auth.domain import username_problems

SECRET = "p" * 32
Served = Callable[[Callable[[ServerConnection], None]], str]


def person(name: str, secret: str = SECRET) -> Person:
    return Person(httpx.Client(base_url="http://edge"), name, secret)


class TestPerson:
    def test_its_name_fits_whatever_the_prober_is_called(self) -> None:
        assert username_problems(person("a" * 21 + "_once_author").name) == []

    def test_its_name_follows_from_name_and_secret(self) -> None:
        name = person("prober_author").name
        assert person("prober_author").name == name
        assert person("prober_reader").name != name
        assert person("prober_author", "q" * 32).name != name

    def test_its_password_does_not_begin_with_its_name(self) -> None:
        somebody = person("prober_author")
        assert somebody.name.removeprefix("p_") not in somebody._password


class TestRound:
    @pytest.mark.parametrize(
        ("happens", "problem"),
        [
            (ValueError(), "an answer of another shape (ValueError)"),
            (httpx.ConnectError("refused"), "no answer (ConnectError)"),
        ],
    )
    def test_what_goes_wrong_fails_the_step(self, happens: Exception, problem: str) -> None:
        went_well, done = one_round(happens)
        assert not went_well
        assert [(step.name, step.problem) for step in done] == [("clean up", problem)]

    def test_what_nobody_has_foreseen_ends_it_and_is_no_success(self) -> None:
        done: list[Step] = []
        with pytest.raises(RuntimeError):
            round_(RuntimeError(), done.append).run()
        assert [(step.name, step.problem) for step in done] == [("clean up", "RuntimeError")]


class TestStepsWithoutTweets:
    def test_a_round_signs_up_in_and_out(self) -> None:
        tokens: set[str] = set()

        def answer(request: httpx.Request) -> httpx.Response:
            query = json.loads(request.content)["query"]
            signed_in = {"__typename": "SignedIn", "accessToken": "t"}
            if "deleteAccount" in query:
                return data({"deleteAccount": {"__typename": "AccountDeleted"}})
            if "signUp" in query:
                return data({"signUp": signed_in})
            if "signIn" in query:
                tokens.add("t")
                return data({"signIn": signed_in})
            if "signOut" in query:
                tokens.clear()
                return data({"signOut": {"sessionIds": ["1"]}})
            return data({"me": {"username": "p"}}) if tokens else httpx.Response(401)

        done: list[Step] = []
        client = httpx.Client(base_url="http://edge", transport=httpx.MockTransport(answer))
        assert Round(client, "prober", SECRET, done.append, {"auth"}).run()
        assert [step.name for step in done] == ["clean up", *steps({"auth"})]


def data(value: object) -> httpx.Response:
    return httpx.Response(200, json={"data": value})


def round_(happens: Exception, tell: Callable[[Step], None]) -> Round:
    def answer(_: httpx.Request) -> httpx.Response:
        raise happens

    client = httpx.Client(base_url="http://edge", transport=httpx.MockTransport(answer))
    return Round(client, "prober", SECRET, tell, {"auth", "tweets"})


def one_round(happens: Exception) -> tuple[bool, list[Step]]:
    done: list[Step] = []
    return round_(happens, done.append).run(), done


@pytest.fixture
def served() -> Iterator[Served]:
    """Where a server listens that does this with each connection."""
    servers: list[tuple[Server, Thread]] = []

    def start(handler: Callable[[ServerConnection], None]) -> str:
        server = serve(handler, "127.0.0.1", 0)
        thread = Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"ws://127.0.0.1:{server.socket.getsockname()[1]}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()


class TestSubscription:
    def test_a_connection_that_is_closed_already_fails_the_step(self, served: Served) -> None:
        with connect(served(lambda connection: connection.close(1012)), proxy=None) as socket:
            with pytest.raises(ConnectionClosed):
                socket.recv(10)
            with pytest.raises(StepFailedError, match="closed with 1012"):
                Subscription(socket).begin("token")

    def test_one_that_breaks_fails_the_step(self, served: Served) -> None:
        def acknowledge(connection: ServerConnection) -> None:
            connection.recv()
            connection.send(json.dumps({"type": "connection_ack"}))
            connection.recv()
            connection.socket.close()

        with connect(served(acknowledge), proxy=None, close_timeout=0) as socket:
            subscription = Subscription(socket)
            subscription.begin("token")
            with pytest.raises(StepFailedError, match="closed with None"):
                subscription.next()
