"""The GraphQL types of the notifier."""

from datetime import datetime
from uuid import UUID

import strawberry

from notifier import domain
from notifier.context import Info, Scope


@strawberry.type(description="The mails that a user gets.")
class EmailSettings:
    retweets: bool = strawberry.field(
        description="Whether the user gets a mail when another user retweets a tweet of theirs. By "
        "default false, and false while `addressUnsubscribed` is true."
    )
    address_unsubscribed: bool = strawberry.field(
        description="Whether the account's address was unsubscribed by the link in a mail. No "
        "account can switch mails to the address on again; the link can, because it proves who "
        "reads the address."
    )
    undeliverable_since: datetime | None = strawberry.field(
        description="When the mail server last refused the account's address for good. Since then "
        "only verification mails and password resets are sent to it. Null once it is verified "
        "again."
    )

    @classmethod
    def from_entity(cls, settings: domain.EmailSettings) -> "EmailSettings":
        return cls(
            retweets=settings.retweets,
            address_unsubscribed=settings.unsubscribed,
            undeliverable_since=settings.undeliverable_since,
        )


@strawberry.federation.type(keys=["id"], description="A person with an account.")
class User:
    id: strawberry.ID = strawberry.field(description="The account's id.")

    @strawberry.field(
        description="The mails that the user gets. Null for every other user; needs the scope "
        "`account:read`."
    )
    async def email_settings(self, info: Info) -> EmailSettings | None:
        viewer = info.context.principal
        if viewer is None or viewer.user_id != UUID(self.id):
            return None
        info.context.require(Scope.READ)
        return EmailSettings.from_entity(await info.context.settings.load(viewer.user_id))

    @classmethod
    def resolve_reference(cls, id: str) -> "User | None":
        try:
            UUID(id)
        except ValueError:
            return None
        return cls(id=strawberry.ID(id))


@strawberry.input(description="The settings to change. A field that is left out stays unchanged.")
class UpdateEmailSettingsInput:
    retweets: bool | None = strawberry.field(
        default=None,
        description="Whether to get a mail when another user retweets a tweet of yours.",
    )
