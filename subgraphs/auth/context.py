"""What a resolver of the auth service works with."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from starlette.requests import HTTPConnection
from strawberry.dataloader import DataLoader

from chassis.graphql.context import RequestContext
from subgraphs.auth.domain import Device, User
from subgraphs.auth.service import AuthService

_LONGEST_USER_AGENT = 300


class Scope(StrEnum):
    """The scopes that this service checks."""

    READ = "account:read"
    WRITE = "account:write"


@dataclass(kw_only=True)
class AuthContext(RequestContext):
    service: AuthService

    @cached_property
    def users(self) -> DataLoader[UUID, User | None]:
        return DataLoader(self._load_users, cache=False)

    @classmethod
    def of(cls, connection: HTTPConnection, service: AuthService) -> "AuthContext":
        return cls(**cls.caller(connection), service=service)

    @property
    def device(self) -> Device:
        return Device(self.user_agent[:_LONGEST_USER_AGENT], self.client_address)

    async def _load_users(self, ids: Sequence[UUID]) -> list[User | None]:
        users = {user.id: user for user in await self.service.users(set(ids))}
        return [users.get(user_id) for user_id in ids]
