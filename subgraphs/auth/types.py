"""The GraphQL types of the auth service, and how domain exceptions become some of them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry.types import Info

from chassis.graphql.ids import parse_id
from chassis.graphql.result_errors import Error, ErrorAsData
from subgraphs.auth import domain, errors
from subgraphs.auth.context import AuthContext, Scope

AuthInfo = Info[AuthContext, None]


@strawberry.federation.type(keys=["id"], description="Somebody with an account.")
class User:
    id: strawberry.ID = strawberry.field(description="The account's id.")
    username: str = strawberry.federation.field(
        shareable=True, description="The name they chose: unique, without regard to case."
    )
    created_at: datetime = strawberry.field(description="When the account was made.")
    address: strawberry.Private[str]

    @strawberry.field(
        description="The e-mail address: shown to its owner (scope `account:read`), else null."
    )
    def email(self, info: AuthInfo) -> str | None:
        principal = info.context.principal
        if principal is None or str(principal.user_id) != self.id:
            return None
        info.context.require(Scope.READ)
        return self.address

    @classmethod
    def from_entity(cls, user: domain.User) -> "User":
        return cls(
            id=strawberry.ID(str(user.id)),
            username=user.username,
            created_at=user.created_at,
            address=user.email,
        )

    @classmethod
    async def resolve_reference(cls, info: AuthInfo, id: strawberry.ID) -> "User | None":  # noqa: A002
        return await find_user(info, id)


async def find_user(info: AuthInfo, user_id: str) -> User | None:
    """The user with this id, read together with all others that the operation asks for."""
    known = parse_id(user_id)
    user = await info.context.users.load(known) if known else None
    return User.from_entity(user) if user else None


@strawberry.type(description="Where and since when somebody is signed in.")
class Session:
    id: strawberry.ID = strawberry.field(description="The session's id.")
    user_agent: str = strawberry.field(description="The program it was opened with.")
    address: str = strawberry.field(description="The network address it was opened from.")
    scopes: list[str] = strawberry.field(description="What it may do.")
    created_at: datetime = strawberry.field(description="When it was opened.")
    last_used_at: datetime = strawberry.field(description="When it was opened or last refreshed.")
    expires_at: datetime = strawberry.field(description="When it ends unless it is refreshed.")
    current: bool = strawberry.field(description="Whether this request belongs to it.")

    @classmethod
    def from_entity(cls, session: domain.Session, current: UUID | None) -> "Session":
        return cls(
            id=strawberry.ID(str(session.id)),
            user_agent=session.device.user_agent,
            address=session.device.address,
            scopes=sorted(session.scopes),
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
            current=session.id == current,
        )


@strawberry.type(description="A session and the tokens to use it with.")
class SignedIn:
    access_token: str = strawberry.field(
        description="Send it as `Authorization: Bearer …` with every request, "
        "but not with `signIn` and `refreshSession`."
    )
    access_token_expires_at: datetime = strawberry.field(
        description="From when on the access token is refused: get the next one before."
    )
    refresh_token: str = strawberry.field(
        description="Buys the next pair of tokens, once, with `refreshSession`."
    )
    session: Session = strawberry.field(description="The session that the tokens belong to.")
    user: User = strawberry.field(description="The account that is signed in.")

    @classmethod
    def from_entity(cls, signed_in: domain.SignedIn) -> "SignedIn":
        return cls(
            access_token=signed_in.access_token.value,
            access_token_expires_at=signed_in.access_token.expires_at,
            refresh_token=signed_in.refresh_token,
            session=Session.from_entity(signed_in.session, signed_in.session.id),
            user=User.from_entity(signed_in.user),
        )


@strawberry.type(description="Sessions have ended: their tokens are refused from now on.")
class SignedOut:
    session_ids: list[strawberry.ID] = strawberry.field(description="The sessions that ended.")


@strawberry.type(description="The account was deleted.")
class AccountDeleted:
    id: strawberry.ID = strawberry.field(description="The id that it had.")


@strawberry.type(description="What is wrong with one field of an input.")
class InputProblem:
    field: str = strawberry.field(description="The name of the field.")
    message: str = strawberry.field(description="What is wrong with it, in words for people.")


@strawberry.type(description="One or more fields hold what they may not.")
class InvalidInputError(Error):
    problems: list[InputProblem] = strawberry.field(
        description="Each problem of the input, in the order of its fields."
    )


@strawberry.type(description="Somebody has this username.")
class UsernameTakenError(Error):
    pass


@strawberry.type(description="An account with this e-mail address exists.")
class EmailTakenError(Error):
    pass


@strawberry.type(description="No such account, or not its password.")
class InvalidCredentialsError(Error):
    pass


@strawberry.type(description="The refresh token is used up, or its session has ended.")
class InvalidRefreshTokenError(Error):
    pass


@strawberry.type(description="You have no such session.")
class SessionNotFoundError(Error):
    pass


SignUpResult = Annotated[
    SignedIn | UsernameTakenError | EmailTakenError | InvalidInputError,
    strawberry.union(
        "SignUpResult", description="The session of the new account, or why there is none."
    ),
]
SignInResult = Annotated[
    SignedIn | InvalidCredentialsError | InvalidInputError,
    strawberry.union("SignInResult", description="The new session, or why there is none."),
]
RefreshSessionResult = Annotated[
    SignedIn | InvalidRefreshTokenError,
    strawberry.union("RefreshSessionResult", description="The next tokens, or why there are none."),
]
RevokeSessionResult = Annotated[
    SignedOut | SessionNotFoundError,
    strawberry.union("RevokeSessionResult", description="The session that ended, or why none did."),
]
DeleteAccountResult = Annotated[
    AccountDeleted | InvalidCredentialsError,
    strawberry.union(
        "DeleteAccountResult", description="The account that was deleted, or why it was not."
    ),
]


@strawberry.input(description="What to send mail about, from the beginning.")
class SignUpEmailSettingsInput:
    retweets: bool = strawberry.field(
        default=False, description="When somebody retweets a tweet of yours."
    )


@strawberry.input(description="A new account.")
class SignUpInput:
    username: str = strawberry.field(
        description="3 to 20 letters, digits or underscores. White space around it is dropped."
    )
    email: str = strawberry.field(
        description="Their e-mail address: unique, and shown to nobody else. At most 64 bytes "
        "before the @-sign, 254 in all. White space around it is dropped."
    )
    password: str = strawberry.field(description="8 to 128 characters.")
    email_settings: SignUpEmailSettingsInput | None = strawberry.field(
        default=None, description="Nothing is sent if left out."
    )


@strawberry.input(description="Who signs in, and for what.")
class SignInInput:
    login: str = strawberry.field(
        description="A username or an e-mail address. White space around it is dropped."
    )
    password: str = strawberry.field(description="The account's password.")
    scopes: list[str] | None = strawberry.field(
        default=None,
        description="What the session may do; everything if left out, with what comes later.",
    )


EXCEPTION_HANDLERS = (
    ErrorAsData(
        errors.InvalidInput,
        InvalidInputError,
        lambda error: InvalidInputError(
            message="Some of the input is not valid.",
            problems=[InputProblem(field=p.field, message=p.message) for p in error.problems],
        ),
    ),
    ErrorAsData(
        errors.UsernameTaken,
        UsernameTakenError,
        lambda _: UsernameTakenError(message="This username is taken."),
    ),
    ErrorAsData(
        errors.EmailTaken,
        EmailTakenError,
        lambda _: EmailTakenError(message="An account with this e-mail address exists."),
    ),
    ErrorAsData(
        errors.InvalidCredentials,
        InvalidCredentialsError,
        lambda _: InvalidCredentialsError(message="The login or the password is not right."),
    ),
    ErrorAsData(
        errors.InvalidRefreshToken,
        InvalidRefreshTokenError,
        lambda _: InvalidRefreshTokenError(message="Sign in again."),
    ),
    ErrorAsData(
        errors.SessionNotFound,
        SessionNotFoundError,
        lambda _: SessionNotFoundError(message="There is no such session."),
    ),
)
