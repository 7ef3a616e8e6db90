"""The context of an operation: the caller, the use cases and the data loaders."""

import asyncio
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
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
"""The author and the page."""


class Scope(StrEnum):
    """The scopes that this service checks."""

    READ = "tweets:read"
    WRITE = "tweets:write"


@dataclass(kw_only=True)
class TweetsContext(RequestContext):
    """The context of one operation. `from_connection` makes it from `service` and `feed`."""

    service: TweetService
    feed: Feed

    @cached_property
    def tweet(self) -> DataLoader[UUID, Tweet | None]:
        return batch_loader(self.service.tweets, None)

    @cached_property
    def has_retweeted(self) -> DataLoader[UUID, bool]:
        """Load, by the id of an original, whether the caller has retweeted it."""
        return batch_loader(self._has_retweeted, missing=False)

    @cached_property
    def timeline(self) -> DataLoader[Timeline, Page[Tweet]]:
        return batch_loader(self._timelines, Page())

    def author(self, scope: Scope) -> Author:
        """Return the caller as the author of a tweet. Raises Unauthenticated or Forbidden."""
        principal = self.require(scope)
        return Author(principal.user_id, principal.username)

    async def _has_retweeted(self, original_ids: AbstractSet[UUID]) -> Mapping[UUID, bool]:
        viewer = self.require()
        retweeted = await self.service.retweeted(viewer.user_id, original_ids)
        return dict.fromkeys(retweeted, True)

    async def _timelines(self, timelines: AbstractSet[Timeline]) -> Mapping[Timeline, Page[Tweet]]:
        """Read the timelines with one statement for each distinct page."""
        authors: dict[PageRequest, set[UUID]] = {}
        for author_id, page in timelines:
            authors.setdefault(page, set()).add(author_id)
        found = await asyncio.gather(
            *(self.service.timelines(author_ids, page) for page, author_ids in authors.items())
        )
        return {
            (author_id, page): timeline
            for page, pages in zip(authors, found, strict=True)
            for author_id, timeline in pages.items()
        }


Info = strawberry.Info[TweetsContext, None]
