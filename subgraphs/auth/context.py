"""What a resolver finds in `info.context`: the caller, the use cases, the loader."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from uuid import UUID

import strawberry
from strawberry.dataloader import DataLoader

from chassis.graphql.context import RequestContext
from chassis.graphql.loaders import batch_loader
from subgraphs.auth.domain import Device, User
from subgraphs.auth.limits import network_of
from subgraphs.auth.recovery import RecoveryService
from subgraphs.auth.service import AuthService
from subgraphs.auth.sessions import SessionService


class Scope(StrEnum):
    """The scopes that this service checks."""

    READ = "account:read"
    WRITE = "account:write"


@dataclass(kw_only=True)
class AuthContext(RequestContext):
    """The context of one operation."""

    service: AuthService
    recovery: RecoveryService
    sessions: SessionService

    @cached_property
    def users(self) -> DataLoader[UUID, User | None]:
        """Users by id: one statement for all of an answer."""
        return batch_loader(self.service.users, None)

    @property
    def network(self) -> str:
        """The network of the caller, for limits on attempts."""
        return network_of(self.client_address)

    @property
    def device(self) -> Device:
        """The device of the caller."""
        return Device.seen(self.user_agent, self.client_address)


Info = strawberry.Info[AuthContext, None]
