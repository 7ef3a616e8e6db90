"""The context of an operation: the caller, the use cases, the loaders."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from uuid import UUID

import strawberry
from strawberry.dataloader import DataLoader

from chassis.graphql.context import RequestContext
from chassis.graphql.loaders import batch_loader
from notifier.domain import EmailSettings
from notifier.service import NotifierService


class Scope(StrEnum):
    """The scopes that this service checks."""

    READ = "account:read"
    WRITE = "account:write"


@dataclass(kw_only=True)
class NotifierContext(RequestContext):
    service: NotifierService

    @cached_property
    def settings(self) -> DataLoader[UUID, EmailSettings]:
        return batch_loader(self.service.settings, EmailSettings())


Info = strawberry.Info[NotifierContext, None]
