"""One round of what people do, step by step; it leaves nothing behind."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from time import perf_counter

import httpx

from deploy.prober.person import Person, StepFailedError, expect
from deploy.prober.subscription import Subscription, subscribing

CREATE = """mutation ($text: String!) {
  createTweet(input: {text: $text}) { __typename ... on Tweet { id } }
}"""
RETWEET = """mutation ($id: ID!) { retweet(tweetId: $id) { __typename } }"""
MINE = "{ myTweets(first: 1) { edges { node { id retweetCount author { username } } } } }"
SIGN_OUT = "mutation { signOut { sessionIds } }"
ME = "{ me { username } }"

CLEAN_UP = "clean up"
TWEETS = "tweets"
"""The service that some steps use; a system without it is probed without them."""


def steps(services: Collection[str]) -> tuple[str, ...]:
    """Return the steps of a round on a system with these services."""
    if TWEETS not in services:
        return ("sign up", "sign in", "sign out", "be refused", CLEAN_UP)
    return (
        *("sign up", "sign in", "subscribe", "tweet", "list", "retweet", "see the retweet"),
        *("hear of both", "sign out", "be refused", "be hung up on", CLEAN_UP),
    )


@dataclass(frozen=True)
class Step:
    name: str
    seconds: float
    problem: str | None
    """None if all was as it should be."""


Tell = Callable[[Step], None]


class Round:
    """Two accounts at most exist for a name, however a round ends: they are made anew each time."""

    def __init__(
        self,
        client: httpx.Client,
        name: str,
        secret: str,
        tell: Tell,
        services: Collection[str],
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Once `is_stopped`, no further step is begun. One that is under way ends: an account whose
        making was interrupted could come to be after all has been cleaned up."""
        self._tell = tell
        self._services = services
        self._is_stopped = is_stopped
        self._url = str(client.base_url)
        self._author = Person(client, f"{name}_author", secret)
        self._reader = Person(client, f"{name}_reader", secret)
        self._is_clean = False

    def run(self) -> bool:
        """Goes through the steps up to the first that fails, and cleans up. True if none did."""
        try:
            if not self._is_clean:  # an earlier one was interrupted, here or in another process
                with self._step(CLEAN_UP):
                    self._clean_up()
            self._is_clean = False
            try:
                self._go_through()
            finally:
                with self._step(CLEAN_UP):
                    self._clean_up()
        except StepFailedError:
            return False
        return True

    def _go_through(self) -> None:
        author, reader = self._author, self._reader
        with self._step("sign up"):
            author.sign_up()
            reader.sign_up()
        with self._step("sign in"):
            author.sign_in()
        with ExitStack() as open_until_the_end:
            feed = self._tweet(open_until_the_end) if TWEETS in self._services else None
            with self._step("sign out"):
                author.ask(SIGN_OUT)
            with self._step("be refused"):
                status = author.post(ME).status_code
                if status != 401:
                    raise StepFailedError(f"the token of a session that has ended got {status}")
            if feed:
                with self._step("be hung up on"):
                    feed.expect_end()

    def _tweet(self, open_until_the_end: ExitStack) -> Subscription:
        """Tweet and retweet, and return the author's subscription, which has shown both."""
        author, reader = self._author, self._reader
        with self._step("subscribe"):
            feed = open_until_the_end.enter_context(subscribing(self._url, author.token))
        with self._step("tweet"):
            tweet = author.ask(CREATE, {"text": "A probe."})["createTweet"]
            expect("Tweet", tweet)
        with self._step("list"):
            self._expect_listed(tweet["id"], retweets=0)
        with self._step("retweet"):
            expect("Tweet", reader.ask(RETWEET, {"id": tweet["id"]})["retweet"])
        with self._step("see the retweet"):
            self._expect_listed(tweet["id"], retweets=1)
        with self._step("hear of both"):
            for kind, actor in (("TWEETED", author), ("RETWEETED", reader)):
                expected = {
                    "kind": kind,
                    "tweet": {"id": tweet["id"]},
                    "actor": {"username": actor.name},
                }
                if feed.next() != expected:
                    raise StepFailedError("the feed shows something else")
        return feed

    def _expect_listed(self, tweet_id: str, *, retweets: int) -> None:
        edges = self._author.ask(MINE)["myTweets"]["edges"]
        author = {"username": self._author.name}
        expected = {"id": tweet_id, "retweetCount": retweets, "author": author}
        if [edge["node"] for edge in edges] != [expected]:
            raise StepFailedError("the list is not what was written")

    def _clean_up(self) -> None:
        self._author.vanish()
        self._reader.vanish()
        self._is_clean = True

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        if self._is_stopped() and name != CLEAN_UP:
            raise StepFailedError("stopped")
        started = perf_counter()
        problem: str | None = None
        try:
            yield
        except StepFailedError as error:
            problem = str(error)
            raise
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            problem = f"an answer of another shape ({type(error).__name__})"
            raise StepFailedError(problem) from error
        except Exception as error:  # nobody has thought of it, so it is no success
            problem = type(error).__name__
            raise
        finally:
            self._tell(Step(name, perf_counter() - started, problem))
