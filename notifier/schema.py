"""The notifier's part of the graph."""

from typing import Annotated

import strawberry

from chassis.errors import SessionEnded
from chassis.graphql import schema
from notifier.context import Info, Scope
from notifier.types import EmailSettings, UpdateEmailSettingsInput, User


@strawberry.type
class Mutation:
    @strawberry.mutation(
        description="Changes the mails that you get, and returns the settings from now on (scope "
        "`account:write`). Mails to an unsubscribed address stay off: see `addressUnsubscribed`."
    )
    async def update_email_settings(
        self,
        info: Info,
        input: Annotated[
            UpdateEmailSettingsInput, strawberry.argument(description="The settings to change.")
        ],
    ) -> EmailSettings:
        viewer = info.context.require(Scope.WRITE)
        settings = await info.context.service.change_settings(
            viewer.user_id, retweets=input.retweets
        )
        if settings is None:
            raise SessionEnded
        return EmailSettings.from_entity(settings)


def build_schema(*, introspection: bool = True) -> schema.SubgraphSchema:
    return schema.build_schema(
        "notifier", mutation=Mutation, types=[User], scopes=Scope, introspection=introspection
    )
