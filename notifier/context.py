"""What a resolver of the notifier works with."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from uuid import UUID

import strawberry
from starlette.requests import HTTPConnection
from strawberry.dataloader import DataLoader

from chassis.graphql.context import RequestContext
from notifier.domain import EmailSettings
from notifier.service import NotifierService


class Scope(StrEnum):
    """The scopes that this service checks."""

    READ = "account:read"
    WRITE = "account:write"


@dataclass(kw_only=True)
class NotifierContext(RequestContext):
    """The loader remembers nothing: what follows a mutation sees what that has changed."""

    service: NotifierService

    @cached_property
    def settings(self) -> DataLoader[UUID, EmailSettings]:
        return DataLoader(self._load_settings, cache=False)

    @classmethod
    def of(cls, connection: HTTPConnection, service: NotifierService) -> "NotifierContext":
        return cls(**cls.caller(connection), service=service)

    async def _load_settings(self, ids: Sequence[UUID]) -> list[EmailSettings]:
        settings = await self.service.settings(set(ids))
        return [settings[user_id] for user_id in ids]


Info = strawberry.Info[NotifierContext, None]
