"""What a resolver finds in `info.context`: the caller, the use cases, the loaders."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from uuid import UUID

import strawberry
from strawberry.dataloader import DataLoader

from chassis.graphql.context import RequestContext
from chassis.graphql.loaders import batch_loader
from chassis.paging import Page, PageRequest
from subgraphs.tweets.domain import Author, Tweet
from subgraphs.tweets.feed import Feed
from subgraphs.tweets.service import TweetService

Timeline = tuple[UUID, PageRequest]


class Scope(StrEnum):
    """The scopes that this service checks."""

    READ = "tweets:read"
    WRITE = "tweets:write"


@dataclass(kw_only=True)
class TweetsContext(RequestContext):
    """One operation's caller, with loaders that ask once for what many fields want.

    The loaders remember nothing: a mutation that follows another in the same document sees what
    that one has changed.
    """

    tweets: TweetService
    feed: Feed

    @cached_property
    def tweet(self) -> DataLoader[UUID, Tweet | None]:
        return batch_loader(self.tweets.tweets, None)

    @cached_property
    def has_retweeted(self) -> DataLoader[UUID, bool]:
        return DataLoader(self._has_retweeted, cache=False)

    @cached_property
    def timeline(self) -> DataLoader[Timeline, Page[Tweet]]:
        return DataLoader(self._timelines, cache=False)

    def author(self, scope: Scope) -> Author:
        """The caller as the author of a tweet. Raises Unauthenticated or Forbidden."""
        principal = self.require(scope)
        return Author(principal.user_id, principal.username)

    async def _has_retweeted(self, original_ids: list[UUID]) -> list[bool]:
        viewer = self.require().user_id
        retweeted = await self.tweets.retweeted(viewer, set(original_ids))
        return [tweet_id in retweeted for tweet_id in original_ids]

    async def _timelines(self, timelines: list[Timeline]) -> list[Page[Tweet]]:
        """Asks once for each page that is wanted, whatever number of authors it is wanted of."""
        authors: dict[PageRequest, set[UUID]] = {}
        for author_id, page in timelines:
            authors.setdefault(page, set()).add(author_id)
        asked = [self.tweets.timelines(ids, page) for page, ids in authors.items()]
        # The only one, as most are, needs no task of its own.
        pages = await asyncio.gather(*asked) if len(asked) > 1 else [await asked[0]]
        found = dict(zip(authors, pages, strict=True))
        return [found[page][author_id] for author_id, page in timelines]


Info = strawberry.Info[TweetsContext, None]
