"""The type of an account."""

from datetime import datetime

import strawberry

from chassis.errors import TooManyRequests
from chassis.graphql.ids import parse_id
from chassis.graphql.nodes import Node, foreign_types, type_named_by
from subgraphs.auth import domain
from subgraphs.auth.context import Info, Scope
from subgraphs.auth.errors import TooManyAttempts
from subgraphs.auth.types.errors import in_words

NEW_PASSWORD = (
    "8 to 128 characters; neither the username nor the address, nor one of the most common "
    "passwords."
)
"""The description of each input that is a new password."""
DEVICE_TOKEN = (
    "Keep it on the device, also after sign-out, in place of the one before, and send it with "
    "`signIn`: strangers who guess at the password cannot lock the device out, and no mail reports "
    "a new device. Valid for this user until the password is changed."
)
"""The description of each field that is a device token."""


@strawberry.federation.type(keys=["id"], description="A person with an account.")
class User(Node):
    id: strawberry.ID = strawberry.field(description="The account's id.")
    username: str = strawberry.federation.field(
        shareable=True, description="The unique name, compared without regard to case."
    )
    created_at: datetime = strawberry.field(description="When the account was created.")
    address: strawberry.Private[str]
    verified: strawberry.Private[bool]

    @strawberry.field(
        description="The e-mail address: shown to its owner (scope `account:read`), to others null."
    )
    def email(self, info: Info) -> str | None:
        return self.address if self._is_owner(info) else None

    @strawberry.field(
        description="Whether the address is verified: shown to its owner (scope `account:read`), "
        "to others null. An unverified address gets no mail but the one that verifies it."
    )
    def email_verified(self, info: Info) -> bool | None:
        return self.verified if self._is_owner(info) else None

    def _is_owner(self, info: Info) -> bool:
        """Return whether the caller has this account. Raises Forbidden without `account:read`."""
        principal = info.context.principal
        if principal is None or str(principal.user_id) != self.id:
            return False
        info.context.require(Scope.READ)
        return True

    @classmethod
    def from_entity(cls, user: domain.User) -> "User":
        return cls(
            id=strawberry.ID(str(user.id)),
            username=user.username,
            created_at=user.created_at,
            address=user.email,
            verified=user.email_verified,
        )

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "User | None":
        return await find_user(info, id)


async def find_user(info: Info, user_id: str) -> User | None:
    """Return the user with this id, read with all others that the operation asks for."""
    parsed = parse_id(user_id)
    user = await info.context.users.load(parsed) if parsed else None
    return User.from_entity(user) if user else None


async def find_user_named(info: Info, username: str) -> User | None:
    """Return the user with this username, or None. Raises Unauthenticated or TooManyRequests."""
    caller = info.context.require()
    try:
        user = await info.context.service.user_named(username, caller.user_id)
    except TooManyAttempts as refusal:
        wait = in_words(refusal.seconds)
        raise TooManyRequests(f"Too many look-ups of users. Try again in {wait}.") from None
    return User.from_entity(user) if user else None


async def find_node(info: Info, id: str) -> Node | None:
    """Return the user with this id, or a reference to the object of another subgraph, or None.

    An id that names no type was made by an earlier release: it is a user's, or else taken for that
    of the first type that another service declares. Raises Unauthenticated.
    """
    info.context.require()
    type_name = type_named_by(id)
    if type_name in {None, User.__name__} and (user := await find_user(info, id)):
        return user
    foreign = foreign_types("auth")
    owned = foreign.get(next(iter(foreign), "") if type_name is None else type_name)
    return owned(ref=strawberry.ID(id)) if owned else None
