"""The auth service's queries and mutations."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import strawberry

from chassis.errors import SessionEnded, Unauthenticated
from chassis.graphql import schema
from chassis.graphql.ids import parse_id
from chassis.graphql.nodes import Node, foreign_types
from chassis.graphql.paging import After, page_request
from subgraphs.auth import domain
from subgraphs.auth.context import Info, Scope
from subgraphs.auth.errors import SessionNotFound
from subgraphs.auth.types.errors import EXCEPTION_HANDLERS
from subgraphs.auth.types.recovery import (
    ChangeEmailResult,
    ChangePasswordResult,
    CodeRequested,
    EmailRestored,
    EmailVerified,
    PasswordChanged,
    RequestEmailVerificationResult,
    RequestPasswordResetResult,
    ResetPasswordInput,
    ResetPasswordResult,
    RestoreEmailResult,
    VerifyEmailResult,
)
from subgraphs.auth.types.security_events import First, SecurityEventConnection
from subgraphs.auth.types.sessions import (
    AccountDeleted,
    DeleteAccountResult,
    Reauthenticated,
    ReauthenticateResult,
    RefreshSessionResult,
    RevokeSessionResult,
    Session,
    SignedIn,
    SignedOut,
    SignInInput,
    SignInResult,
    SignOutEverywhereResult,
    SignUpInput,
    SignUpResult,
)
from subgraphs.auth.types.users import (
    NEW_PASSWORD,
    User,
    find_node,
    find_user,
    find_user_named,
)


@strawberry.type
class Query:
    @strawberry.field(description="The signed-in user; null for an anonymous request.")
    async def me(self, info: Info) -> User | None:
        principal = info.context.principal
        return await find_user(info, str(principal.user_id)) if principal else None

    @strawberry.field(
        description="The user with this username, or null (for signed-in users). At most 600 in an "
        "hour by default; then the error is `TOO_MANY_REQUESTS`."
    )
    async def user(
        self,
        info: Info,
        username: Annotated[
            str,
            strawberry.argument(
                description="The username, in whatever case. An e-mail address finds no user."
            ),
        ],
    ) -> User | None:
        return await find_user_named(info, username)

    @strawberry.field(
        description="The object with this id, or null (for signed-in users). Its fields need the "
        "scopes that they need elsewhere."
    )
    async def node(
        self,
        info: Info,
        id: Annotated[
            strawberry.ID, strawberry.argument(description="The id of an object of any type.")
        ],
    ) -> Node | None:
        return await find_node(info, id)

    @strawberry.field(description="Your sessions, the last used first (scope `account:read`).")
    async def sessions(self, info: Info) -> list[Session]:
        principal = info.context.require(Scope.READ)
        sessions = await info.context.service.sessions(principal.user_id)
        return [Session.from_entity(session, principal.session_id) for session in sessions]

    @strawberry.field(
        description="What happened to your account in the last months, the newest first (scope "
        "`account:read`)."
    )
    async def security_events(
        self, info: Info, first: First = 20, after: After = None
    ) -> SecurityEventConnection:
        principal = info.context.require(Scope.READ)
        page = page_request(first, after)
        return SecurityEventConnection.from_page(
            await info.context.service.security_events(principal.user_id, page)
        )


@strawberry.type
class Mutation:
    @strawberry.mutation(description="Creates an account and signs in.")
    async def sign_up(
        self,
        info: Info,
        input: Annotated[SignUpInput, strawberry.argument(description="The account to create.")],
    ) -> SignUpResult:
        return SignedIn.from_entity(
            await info.context.service.sign_up(
                username=input.username,
                email=input.email,
                password=input.password,
                device=info.context.device,
                email_settings=domain.EmailSettings(
                    retweets=input.email_settings is not None and input.email_settings.retweets
                ),
            )
        )

    @strawberry.mutation(description="Opens a session. Send no access token.")
    async def sign_in(
        self,
        info: Info,
        input: Annotated[SignInInput, strawberry.argument(description="The credentials.")],
    ) -> SignInResult:
        return SignedIn.from_entity(
            await info.context.service.sign_in(
                login=input.login,
                password=input.password,
                scopes=input.scopes,
                device=info.context.device,
                device_token=input.device_token,
            )
        )

    @strawberry.mutation(
        description="Exchanges a refresh token for new tokens. Send no access token. If the answer "
        "was lost, repeat the call: within half a minute it answers the same."
    )
    async def refresh_session(
        self,
        info: Info,
        refresh_token: Annotated[
            str, strawberry.argument(description="The newest refresh token of the session.")
        ],
    ) -> RefreshSessionResult:
        context = info.context
        return SignedIn.from_entity(
            await context.service.refresh_session(refresh_token, context.network)
        )

    @strawberry.mutation(description="Ends the session of this request, everywhere and at once.")
    async def sign_out(self, info: Info) -> SignedOut:
        principal = info.context.require()
        return _signed_out(
            await info.context.sessions.sign_out(principal.user_id, principal.session_id)
        )

    @strawberry.mutation(
        description="Checks your password again, and replaces the session of this request by a "
        "new one of the same scopes (scope `account:write`). It ends as by `signOut`: later fields "
        "of the same document are refused."
    )
    async def reauthenticate(
        self,
        info: Info,
        password: Annotated[str, strawberry.argument(description="The account's password.")],
    ) -> ReauthenticateResult:
        context = info.context
        principal = context.require(Scope.WRITE)
        opened = await context.sessions.reauthenticate(
            principal.user_id, principal.session_id, password, context.device
        )
        if opened is None:
            raise SessionEnded
        return Reauthenticated.from_entity(opened)

    @strawberry.mutation(
        description="Ends all your sessions (scope `account:write`). To end others than that of "
        "this request, sign in or `reauthenticate` shortly before."
    )
    async def sign_out_everywhere(self, info: Info) -> SignOutEverywhereResult:
        principal = info.context.require(Scope.WRITE)
        return _signed_out(
            await info.context.sessions.sign_out_everywhere(principal.user_id, principal.session_id)
        )

    @strawberry.mutation(
        description="Ends one of your sessions (scope `account:write`). To end another than that "
        "of this request, sign in or `reauthenticate` shortly before."
    )
    async def revoke_session(
        self,
        info: Info,
        id: Annotated[
            strawberry.ID, strawberry.argument(description="The id of one of your sessions.")
        ],
    ) -> RevokeSessionResult:
        principal = info.context.require(Scope.WRITE)
        session_id = parse_id(id)
        if session_id is None:
            raise SessionNotFound
        return _signed_out(
            await info.context.sessions.revoke_session(
                principal.user_id, principal.session_id, session_id
            )
        )

    @strawberry.mutation(
        description="Deletes your account and its data (scope `account:write`). Its security "
        "events are kept for some months, without a name."
    )
    async def delete_account(
        self,
        info: Info,
        password: Annotated[str, strawberry.argument(description="The account's password, again.")],
    ) -> DeleteAccountResult:
        principal = info.context.require(Scope.WRITE)
        await info.context.service.delete_account(principal.user_id, password)
        return AccountDeleted(id=strawberry.ID(str(principal.user_id)))

    @strawberry.mutation(
        description="Mails a code that verifies your address (scope `account:write`)."
    )
    async def request_email_verification(self, info: Info) -> RequestEmailVerificationResult:
        principal = info.context.require(Scope.WRITE)
        context = info.context
        address = await context.recovery.request_email_verification(
            principal.user_id, context.network
        )
        if address is None:
            raise Unauthenticated
        return CodeRequested.to(address)

    @strawberry.mutation(
        description="Verifies an address; after `changeEmail` it becomes the account's."
    )
    async def verify_email(
        self,
        info: Info,
        code: Annotated[
            str,
            strawberry.argument(
                description="The code in the link of the mail. You may use the short code beside "
                "it while you are signed in (scope `account:write`)."
            ),
        ],
    ) -> VerifyEmailResult:
        context = info.context
        user_id = context.require(Scope.WRITE).user_id if context.principal else None
        user = await context.recovery.verify_email(code, user_id, context.network)
        return EmailVerified(user=User.from_entity(user))

    @strawberry.mutation(
        description="Mails a code to a new address, which becomes yours when `verifyEmail` "
        "verifies it (scope `account:write`). A verified previous address may take the account "
        "back for 3 days."
    )
    async def change_email(
        self,
        info: Info,
        new_email: Annotated[str, strawberry.argument(description="The new address.")],
        password: Annotated[str, strawberry.argument(description="The account's password, again.")],
    ) -> ChangeEmailResult:
        principal = info.context.require(Scope.WRITE)
        return CodeRequested.to(
            await info.context.recovery.change_email(
                principal.user_id, new_email, password, info.context.network
            )
        )

    @strawberry.mutation(
        description="Gives an account its previous address back. Ends all its sessions, removes "
        "the password, and mails a code for a new one."
    )
    async def restore_email(
        self,
        info: Info,
        code: Annotated[
            str, strawberry.argument(description="The code mailed to the previous address.")
        ],
    ) -> RestoreEmailResult:
        context = info.context
        ended = await context.recovery.restore_email(code, context.network)
        return EmailRestored(session_ids=_ids(ended))

    @strawberry.mutation(
        description="Mails a code for a new password if an account has this address and has "
        "verified it. The answer is the same for every address."
    )
    async def request_password_reset(
        self,
        info: Info,
        email: Annotated[str, strawberry.argument(description="The address of the account.")],
    ) -> RequestPasswordResetResult:
        context = info.context
        return CodeRequested.to(
            await context.recovery.request_password_reset(email, context.network)
        )

    @strawberry.mutation(
        description="Sets a new password with a mailed code. Ends all sessions of the account, "
        "everywhere and at once."
    )
    async def reset_password(
        self,
        info: Info,
        input: Annotated[
            ResetPasswordInput, strawberry.argument(description="The code and the password.")
        ],
    ) -> ResetPasswordResult:
        return PasswordChanged.from_entity(
            await info.context.recovery.reset_password(
                input.code, input.new_password, input.email, info.context.network
            )
        )

    @strawberry.mutation(
        description="Replaces your password. Ends your other sessions, everywhere and at once "
        "(scope `account:write`)."
    )
    async def change_password(
        self,
        info: Info,
        current_password: Annotated[str, strawberry.argument(description="The password so far.")],
        new_password: Annotated[str, strawberry.argument(description=NEW_PASSWORD)],
    ) -> ChangePasswordResult:
        principal = info.context.require(Scope.WRITE)
        return PasswordChanged.from_entity(
            await info.context.recovery.change_password(
                principal.user_id, principal.session_id, current_password, new_password
            )
        )


def _signed_out(session_ids: Sequence[UUID]) -> SignedOut:
    return SignedOut(session_ids=_ids(session_ids))


def _ids(session_ids: Sequence[UUID]) -> list[strawberry.ID]:
    return [strawberry.ID(str(session_id)) for session_id in session_ids]


def build_schema(*, introspection: bool = True) -> schema.SubgraphSchema:
    """Return the executable schema."""
    return schema.build_schema(
        "auth",
        query=Query,
        mutation=Mutation,
        types=[*foreign_types("auth").values()],
        scopes=Scope,
        exception_handlers=EXCEPTION_HANDLERS,
        introspection=introspection,
    )
