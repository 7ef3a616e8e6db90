"""One round of the prober: what two users do, step by step. It leaves nothing behind."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from time import perf_counter

import httpx

from client.api import ApiError, expect
from client.documents import CREATE_TWEET, ME, RETWEET, SIGN_OUT
from client.subscription import Subscription, subscribed
from deploy.prober.probe_account import ProbeAccount

OWN_TWEET = "{ myTweets(first: 1) { edges { node { id retweetCount author { username } } } } }"
FEED = "subscription { tweetFeed { kind tweet { id } actor { username } } }"

CLEAN_UP = "clean up"
TWEETS = "tweets"
"""The service that some steps use; a system without it is probed without these steps."""


def steps(services: Collection[str]) -> tuple[str, ...]:
    """Return the names of the steps of a round on a system with these services."""
    if TWEETS not in services:
        return ("sign up", "sign in", "sign out", "be refused", CLEAN_UP)
    return (
        *("sign up", "sign in", "subscribe", "tweet", "list", "retweet", "see the retweet"),
        *("receive events", "sign out", "be refused", "be disconnected", CLEAN_UP),
    )


@dataclass(frozen=True)
class Step:
    name: str
    seconds: float
    problem: str | None
    """None if the step succeeded. Names no secret."""


class RoundFailedError(Exception):
    """A step failed, and with it the round."""


class Round:
    """The same two accounts are made anew in every round, so no more of them can be left over."""

    def __init__(
        self,
        http: httpx.Client,
        name: str,
        secret: str,
        record: Callable[[Step], None],
        services: Collection[str],
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """`record` is called with each step. Once `is_stopped`, only the clean-up still starts.

        A step that has started is never interrupted: its account could be created after the
        clean-up.
        """
        self._record = record
        self._services = services
        self._is_stopped = is_stopped
        self._url = str(http.base_url)
        self._author = ProbeAccount(http, f"{name}_author", secret)
        self._reader = ProbeAccount(http, f"{name}_reader", secret)
        self._is_clean = False

    def run(self) -> bool:
        """Take the steps up to the first that fails, clean up, and return whether all succeeded."""
        try:
            if not self._is_clean:  # an earlier round was interrupted, here or in another process
                self._clean_up()
            self._is_clean = False
            try:
                self._take_steps()
            finally:
                self._clean_up()
        except RoundFailedError:
            return False
        return True

    def _take_steps(self) -> None:
        author, reader = self._author, self._reader
        with self._step("sign up"):
            author.sign_up()
            reader.sign_up()
        with self._step("sign in"):
            author.sign_in()
        with ExitStack() as open_until_the_end:
            feed = self._tweet(open_until_the_end) if TWEETS in self._services else None
            with self._step("sign out"):
                author.run(SIGN_OUT)
            with self._step("be refused"):
                status = author.status(ME)
                if status != 401:
                    raise ApiError(f"status {status} for the token of an ended session")
            if feed:
                with self._step("be disconnected"):
                    feed.expect_end()

    def _tweet(self, open_until_the_end: ExitStack) -> Subscription:
        """Tweet and retweet, and return the author's subscription, which has shown both."""
        author, reader = self._author, self._reader
        with self._step("subscribe"):
            subscription = subscribed(self._url, FEED, author.token)
            feed = open_until_the_end.enter_context(subscription)
        with self._step("tweet"):
            tweet = author.run(CREATE_TWEET, text="A probe.")["createTweet"]
            expect("Tweet", tweet)
        with self._step("list"):
            self._expect_listed(tweet["id"], retweets=0)
        with self._step("retweet"):
            expect("Tweet", reader.run(RETWEET, id=tweet["id"])["retweet"])
        with self._step("see the retweet"):
            self._expect_listed(tweet["id"], retweets=1)
        with self._step("receive events"):
            for kind, actor in (("TWEETED", author), ("RETWEETED", reader)):
                expected = {
                    "kind": kind,
                    "tweet": {"id": tweet["id"]},
                    "actor": {"username": actor.username},
                }
                if feed.next()["tweetFeed"] != expected:
                    raise ApiError(f"the feed shows another event than {kind}")
        return feed

    def _expect_listed(self, tweet_id: str, *, retweets: int) -> None:
        edges = self._author.run(OWN_TWEET)["myTweets"]["edges"]
        author = {"username": self._author.username}
        expected = {"id": tweet_id, "retweetCount": retweets, "author": author}
        if [edge["node"] for edge in edges] != [expected]:
            raise ApiError(f"myTweets does not show the tweet with {retweets} retweets")

    def _clean_up(self) -> None:
        with self._step(CLEAN_UP):
            self._author.delete()
            self._reader.delete()
        self._is_clean = True

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """Record the block as a step. Raises RoundFailedError for every failure of the system."""
        if self._is_stopped() and name != CLEAN_UP:
            raise RoundFailedError
        started = perf_counter()
        problem: str | None = None
        try:
            yield
        except ApiError as error:
            problem = error.problem
            raise RoundFailedError from error
        except httpx.HTTPError as error:
            problem = f"no answer ({type(error).__name__})"
            raise RoundFailedError from error
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            problem = f"the answer has another shape ({type(error).__name__})"
            raise RoundFailedError from error
        except Exception as error:  # unforeseen, so it ends the prober
            problem = type(error).__name__
            raise
        finally:
            self._record(Step(name, perf_counter() - started, problem))
