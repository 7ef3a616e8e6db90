"""The GraphQL types of the auth service, and the mapping of domain exceptions to them."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import strawberry

from chassis.graphql.ids import parse_id
from chassis.graphql.result_errors import Error, ErrorAsData
from subgraphs.auth import domain, errors
from subgraphs.auth.context import Info, Scope


@strawberry.federation.type(keys=["id"], description="A person with an account.")
class User:
    id: strawberry.ID = strawberry.field(description="The account's id.")
    username: str = strawberry.federation.field(
        shareable=True, description="The unique name, compared without regard to case."
    )
    created_at: datetime = strawberry.field(description="When the account was created.")
    address: strawberry.Private[str]

    @strawberry.field(
        description="The e-mail address: shown to its owner (scope `account:read`), to others null."
    )
    def email(self, info: Info) -> str | None:
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
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "User | None":
        return await find_user(info, id)


async def find_user(info: Info, user_id: str) -> User | None:
    """Return the user with this id, read with all others that the operation asks for."""
    parsed = parse_id(user_id)
    user = await info.context.users.load(parsed) if parsed else None
    return User.from_entity(user) if user else None


@strawberry.type(description="A sign-in on one device.")
class Session:
    id: strawberry.ID = strawberry.field(description="The session's id.")
    user_agent: str = strawberry.field(
        description="The `User-Agent` of the request that opened it."
    )
    address: str = strawberry.field(
        description="The network address of the request that opened it."
    )
    scopes: list[str] = strawberry.field(description="The scopes of its access tokens.")
    created_at: datetime = strawberry.field(description="When the session was opened.")
    last_used_at: datetime = strawberry.field(
        description="When the session was opened or last refreshed."
    )
    expires_at: datetime = strawberry.field(
        description="When the session ends unless it is refreshed before."
    )
    current: bool = strawberry.field(description="Whether this request belongs to the session.")

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


@strawberry.type(description="A session with the tokens to use it.")
class SignedIn:
    access_token: str = strawberry.field(
        description="Send it as `Authorization: Bearer …` with every request, "
        "but not with `signIn` and `refreshSession`."
    )
    access_token_expires_at: datetime = strawberry.field(
        description="When the access token expires. Refresh the session before."
    )
    refresh_token: str = strawberry.field(
        description="Exchange it once, with `refreshSession`, for the next pair of tokens."
    )
    session: Session = strawberry.field(description="The session of the tokens.")
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


@strawberry.type(description="Sessions have ended, and their tokens are refused everywhere.")
class SignedOut:
    session_ids: list[strawberry.ID] = strawberry.field(
        description="The ids of the sessions that ended."
    )


@strawberry.type(description="The account was deleted.")
class AccountDeleted:
    id: strawberry.ID = strawberry.field(description="The id of the deleted account.")


@strawberry.type(description="A problem with one field of an input.")
class InputProblem:
    field: str = strawberry.field(description="The name of the field.")
    message: str = strawberry.field(description="The problem and its remedy, for the user to read.")


@strawberry.type(description="One or more input fields are invalid.")
class InvalidInputError(Error):
    problems: list[InputProblem] = strawberry.field(
        description="The problems, in the order of the fields."
    )


@strawberry.type(description="Another account has this username.")
class UsernameTakenError(Error):
    pass


@strawberry.type(description="An account with this e-mail address exists.")
class EmailTakenError(Error):
    pass


@strawberry.type(description="The login names no account, or the password is wrong.")
class InvalidCredentialsError(Error):
    pass


@strawberry.type(description="The refresh token is unknown or used up, or its session has ended.")
class InvalidRefreshTokenError(Error):
    pass


@strawberry.type(description="You have no session with this id, or it has ended.")
class SessionNotFoundError(Error):
    pass


@strawberry.type(description="Too many attempts in a short time.")
class TooManyAttemptsError(Error):
    retry_after: int = strawberry.field(
        description="The seconds after which another attempt is possible."
    )

    @classmethod
    def after(cls, wait: timedelta) -> "TooManyAttemptsError":
        seconds = -(-wait // timedelta(seconds=1))
        number, unit = (seconds, "second") if seconds < 60 else (-(-seconds // 60), "minute")
        plural = "" if number == 1 else "s"
        return cls(
            message=f"Too many attempts. Try again in {number} {unit}{plural}.",
            retry_after=seconds,
        )


SignUpResult = Annotated[
    SignedIn | UsernameTakenError | EmailTakenError | InvalidInputError,
    strawberry.union(
        "SignUpResult", description="The session of the new account, or the reason for a failure."
    ),
]
SignInResult = Annotated[
    SignedIn | InvalidCredentialsError | InvalidInputError,
    strawberry.union("SignInResult", description="The new session, or the reason for a failure."),
]
RefreshSessionResult = Annotated[
    SignedIn | InvalidRefreshTokenError,
    strawberry.union(
        "RefreshSessionResult", description="The next tokens, or the reason for a failure."
    ),
]
RevokeSessionResult = Annotated[
    SignedOut | SessionNotFoundError,
    strawberry.union(
        "RevokeSessionResult", description="The session that ended, or the reason for a failure."
    ),
]
DeleteAccountResult = Annotated[
    AccountDeleted | InvalidCredentialsError,
    strawberry.union(
        "DeleteAccountResult", description="The deleted account, or the reason for a failure."
    ),
]


@strawberry.input(description="What a new account gets mail about.")
class SignUpEmailSettingsInput:
    retweets: bool = strawberry.field(
        default=False, description="Send a mail when another user retweets a tweet of yours."
    )


@strawberry.input(description="The data of a new account.")
class SignUpInput:
    username: str = strawberry.field(
        description="3 to 20 letters, digits or underscores. White space around it is removed."
    )
    email: str = strawberry.field(
        description="A unique e-mail address, shown only to its owner. At most 64 bytes before the "
        "@-sign, 254 in all. White space around it is removed."
    )
    password: str = strawberry.field(
        description="8 to 128 characters; neither the username nor the address, "
        "nor one of the most common passwords."
    )
    email_settings: SignUpEmailSettingsInput | None = strawberry.field(
        default=None, description="No mail is sent if this is left out."
    )


@strawberry.input(description="The credentials of an account.")
class SignInInput:
    login: str = strawberry.field(
        description="A username or an e-mail address. White space around it is removed."
    )
    password: str = strawberry.field(description="The account's password.")
    scopes: list[str] | None = strawberry.field(
        default=None,
        description="The scopes of the session; all, also those of later releases, if left out.",
    )


EXCEPTION_HANDLERS = (
    ErrorAsData(
        errors.InvalidInput,
        InvalidInputError,
        lambda error: InvalidInputError(
            message="One or more input fields are invalid.",
            problems=[InputProblem(field=p.field, message=p.message) for p in error.problems],
        ),
    ),
    ErrorAsData.saying(errors.UsernameTaken, UsernameTakenError, "This username is taken."),
    ErrorAsData.saying(
        errors.EmailTaken,
        EmailTakenError,
        "An account with this e-mail address exists. Sign in instead.",
    ),
    ErrorAsData.saying(
        errors.InvalidCredentials, InvalidCredentialsError, "The login or the password is wrong."
    ),
    ErrorAsData.saying(
        errors.InvalidRefreshToken,
        InvalidRefreshTokenError,
        "The refresh token is not valid. Sign in again.",
    ),
    ErrorAsData.saying(
        errors.SessionNotFound,
        SessionNotFoundError,
        "This session does not exist or has ended.",
    ),
    ErrorAsData(
        errors.TooManyAttempts,
        TooManyAttemptsError,
        lambda error: TooManyAttemptsError.after(error.retry_after),
    ),
)
