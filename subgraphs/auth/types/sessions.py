"""The types of sign-up, sessions and the end of an account."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from subgraphs.auth import domain, user_agents
from subgraphs.auth.types.errors import (
    EmailTakenError,
    InvalidCredentialsError,
    InvalidInputError,
    InvalidRefreshTokenError,
    ReauthenticationRequiredError,
    SessionNotFoundError,
    TooManyAttemptsError,
    UsernameTakenError,
)
from subgraphs.auth.types.users import DEVICE_TOKEN, NEW_PASSWORD, User


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
    created_at: datetime = strawberry.field(
        description="When the session was opened, with the password."
    )
    last_used_at: datetime = strawberry.field(
        description="When the session was opened or last refreshed."
    )
    expires_at: datetime = strawberry.field(
        description="When the session ends. A refresh moves it, up to a limit of its age."
    )
    current: bool = strawberry.field(description="Whether this request belongs to the session.")

    @strawberry.field(
        description="The browser by its name, such as `Firefox`; null if it is not known."
    )
    def browser(self) -> str | None:
        return user_agents.browser(self.user_agent)

    @strawberry.field(
        description="The operating system by its name, such as `Android`; null if it is not known."
    )
    def system(self) -> str | None:
        return user_agents.system(self.user_agent)

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
    device_token: str = strawberry.field(description=DEVICE_TOKEN)
    password_breached: bool = strawberry.field(
        description="Whether the password of `signIn` is in a list of leaked passwords: ask the "
        "user to change it. False after `signUp`, which refuses such a password, and after "
        "`refreshSession`, which does not see the password."
    )
    session: Session = strawberry.field(description="The session of the tokens.")
    user: User = strawberry.field(description="The account that is signed in.")

    @classmethod
    def from_entity(cls, signed_in: domain.SignedIn) -> "SignedIn":
        return cls(
            access_token=signed_in.access_token.value,
            access_token_expires_at=signed_in.access_token.expires_at,
            refresh_token=signed_in.refresh_token,
            device_token=signed_in.device_token,
            password_breached=signed_in.password_breached,
            session=Session.from_entity(signed_in.session, signed_in.session.id),
            user=User.from_entity(signed_in.user),
        )


@strawberry.type(
    description="A new session with the tokens to use it. The tokens of the previous session are "
    "refused everywhere."
)
class Reauthenticated:
    access_token: str = strawberry.field(
        description="Send it as `Authorization: Bearer …` from now on."
    )
    access_token_expires_at: datetime = strawberry.field(
        description="When the access token expires. Refresh the session before."
    )
    refresh_token: str = strawberry.field(description="The refresh token of the new session.")
    session: Session = strawberry.field(description="The new session.")

    @classmethod
    def from_entity(cls, opened: domain.Reauthenticated) -> "Reauthenticated":
        return cls(
            access_token=opened.access_token.value,
            access_token_expires_at=opened.access_token.expires_at,
            refresh_token=opened.refresh_token,
            session=Session.from_entity(opened.session, opened.session.id),
        )


@strawberry.type(description="Sessions have ended, and their tokens are refused everywhere.")
class SignedOut:
    session_ids: list[strawberry.ID] = strawberry.field(
        description="The ids of the sessions that ended."
    )


@strawberry.type(description="The account was deleted.")
class AccountDeleted:
    id: strawberry.ID = strawberry.field(description="The id of the deleted account.")


SignUpResult = Annotated[
    SignedIn | UsernameTakenError | EmailTakenError | InvalidInputError | TooManyAttemptsError,
    strawberry.union(
        "SignUpResult", description="The session of the new account, or the reason for a failure."
    ),
]
SignInResult = Annotated[
    SignedIn | InvalidCredentialsError | InvalidInputError | TooManyAttemptsError,
    strawberry.union("SignInResult", description="The new session, or the reason for a failure."),
]
RefreshSessionResult = Annotated[
    SignedIn | InvalidRefreshTokenError | TooManyAttemptsError,
    strawberry.union(
        "RefreshSessionResult", description="The next tokens, or the reason for a failure."
    ),
]
ReauthenticateResult = Annotated[
    Reauthenticated | InvalidCredentialsError | TooManyAttemptsError,
    strawberry.union(
        "ReauthenticateResult", description="The new session, or the reason for a failure."
    ),
]
SignOutEverywhereResult = Annotated[
    SignedOut | ReauthenticationRequiredError,
    strawberry.union(
        "SignOutEverywhereResult",
        description="The sessions that ended, or the reason for a failure.",
    ),
]
RevokeSessionResult = Annotated[
    SignedOut | SessionNotFoundError | ReauthenticationRequiredError,
    strawberry.union(
        "RevokeSessionResult", description="The session that ended, or the reason for a failure."
    ),
]
DeleteAccountResult = Annotated[
    AccountDeleted | InvalidCredentialsError | TooManyAttemptsError,
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
    password: str = strawberry.field(description=NEW_PASSWORD)
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
    device_token: str | None = strawberry.field(
        default=None, description="The newest `deviceToken` of this user on this device."
    )
