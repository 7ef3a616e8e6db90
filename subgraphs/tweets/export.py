"""What tweets exports of a person."""

from collections.abc import AsyncGenerator
from uuid import UUID

from chassis.exports.records import Record, Records
from chassis.paging import Page, PageRequest
from subgraphs.tweets.domain import Tweet
from subgraphs.tweets.ports import UnitOfWork

_PAGE = 200  # tweets that one statement reads


async def user_records(unit_of_work: UnitOfWork, user_id: UUID) -> AsyncGenerator[Records, None]:
    """Yield the end of a user's feed, and their tweets and retweets, the newest first.

    Yields nothing for a deleted account, also while its tweets are being removed.
    """
    if await unit_of_work.read(lambda r: r.feeds.is_closed(user_id)):
        return
    heads = await unit_of_work.read(lambda r: r.feeds.heads([user_id]))
    yield Records("feed", [{"items": head} for head in heads.values()])
    page = await _timeline(unit_of_work, user_id, PageRequest(_PAGE))
    yield Records("tweets", [_record(tweet) for tweet in page.items])
    while page.has_next:
        page = await _timeline(unit_of_work, user_id, PageRequest(_PAGE, page.items[-1].id))
        yield Records("tweets", [_record(tweet) for tweet in page.items])


async def _timeline(unit_of_work: UnitOfWork, user_id: UUID, page: PageRequest) -> Page[Tweet]:
    timelines = await unit_of_work.read(lambda r: r.tweets.timelines([user_id], page))
    return timelines[user_id]


def _record(tweet: Tweet) -> Record:
    """Return a tweet, or a retweet without the text, which is another person's."""
    record: dict[str, object] = {
        "id": tweet.id,
        "username": tweet.author.username,
        "createdAt": tweet.created_at,
    }
    if tweet.retweet_of:
        return record | {"retweetOf": tweet.original.id}
    return record | {"text": tweet.text, "retweetCount": tweet.retweet_count}
