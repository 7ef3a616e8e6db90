"""The GraphQL types of the notifier."""

from uuid import UUID

import strawberry

from notifier import domain
from notifier.context import Info, Scope


@strawberry.type(description="What somebody gets e-mails about.")
class EmailSettings:
    retweets: bool = strawberry.field(
        description="When somebody else retweets a tweet of theirs. Off until switched on, and "
        "off while `addressUnsubscribed`."
    )
    address_unsubscribed: bool = strawberry.field(
        description="Whether the reader of the account's address has unsubscribed it by the link "
        "in a mail. No account can switch mails to that address on again; the same link can, as "
        "it proves who reads the mail."
    )

    @classmethod
    def from_entity(cls, settings: domain.EmailSettings) -> "EmailSettings":
        return cls(retweets=settings.retweets, address_unsubscribed=settings.unsubscribed)


@strawberry.federation.type(keys=["id"], description="Somebody with an account.")
class User:
    id: strawberry.ID = strawberry.field(description="The account's id.")

    @strawberry.field(
        description="What they get e-mails about: shown to themselves (scope `account:read`), "
        "else null."
    )
    async def email_settings(self, info: Info) -> EmailSettings | None:
        viewer = info.context.principal
        if viewer is None or viewer.user_id != UUID(self.id):
            return None
        info.context.require(Scope.READ)
        return EmailSettings.from_entity(await info.context.settings.load(viewer.user_id))

    @classmethod
    def resolve_reference(cls, id: str) -> "User | None":  # noqa: A002
        try:
            UUID(id)
        except ValueError:
            return None
        return cls(id=strawberry.ID(id))


@strawberry.input(description="What to change; what is left out stays as it is.")
class UpdateEmailSettingsInput:
    retweets: bool | None = strawberry.field(
        default=None, description="Whether to get an e-mail when a tweet of yours is retweeted."
    )
