"""The types of verified addresses, recovery and changes of an account."""

from typing import Annotated

import strawberry

from subgraphs.auth import domain
from subgraphs.auth.mails import CODE_VALID
from subgraphs.auth.types.errors import (
    EmailTakenError,
    InvalidCodeError,
    InvalidCredentialsError,
    InvalidInputError,
    TooManyAttemptsError,
)
from subgraphs.auth.types.users import DEVICE_TOKEN, NEW_PASSWORD, User


@strawberry.type(description="A mail with a code was requested.")
class CodeRequested:
    email: str = strawberry.field(
        description="The address. In a password reset it gets the mail only if an account has it."
    )
    valid_seconds: int = strawberry.field(
        description="How long the code is valid once the mail is sent, in seconds."
    )

    @classmethod
    def to(cls, address: str) -> "CodeRequested":
        return cls(email=address, valid_seconds=int(CODE_VALID.total_seconds()))


@strawberry.type(description="An address was verified.")
class EmailVerified:
    user: User = strawberry.field(description="The account with the address.")


@strawberry.type(description="The password was replaced.")
class PasswordChanged:
    session_ids: list[strawberry.ID] = strawberry.field(
        description="The ids of the sessions that ended."
    )
    device_token: str = strawberry.field(description=DEVICE_TOKEN)

    @classmethod
    def from_entity(cls, changed: domain.NewPassword) -> "PasswordChanged":
        return cls(
            session_ids=[strawberry.ID(str(session_id)) for session_id in changed.session_ids],
            device_token=changed.device_token,
        )


@strawberry.type(description="An account has its previous address again, and no password.")
class EmailRestored:
    session_ids: list[strawberry.ID] = strawberry.field(
        description="The ids of the sessions that ended."
    )


RequestEmailVerificationResult = Annotated[
    CodeRequested | TooManyAttemptsError,
    strawberry.union(
        "RequestEmailVerificationResult", description="The request, or the reason for a failure."
    ),
]
VerifyEmailResult = Annotated[
    EmailVerified | InvalidCodeError | EmailTakenError | TooManyAttemptsError,
    strawberry.union(
        "VerifyEmailResult", description="The verified address, or the reason for a failure."
    ),
]
ChangeEmailResult = Annotated[
    CodeRequested
    | InvalidCredentialsError
    | InvalidInputError
    | EmailTakenError
    | TooManyAttemptsError,
    strawberry.union("ChangeEmailResult", description="The request, or the reason for a failure."),
]
RestoreEmailResult = Annotated[
    EmailRestored | InvalidCodeError | EmailTakenError | TooManyAttemptsError,
    strawberry.union(
        "RestoreEmailResult", description="The restored account, or the reason for a failure."
    ),
]
RequestPasswordResetResult = Annotated[
    CodeRequested | InvalidInputError | TooManyAttemptsError,
    strawberry.union(
        "RequestPasswordResetResult", description="The request, or the reason for a failure."
    ),
]
ResetPasswordResult = Annotated[
    PasswordChanged | InvalidCodeError | InvalidInputError | TooManyAttemptsError,
    strawberry.union(
        "ResetPasswordResult", description="The new password, or the reason for a failure."
    ),
]
ChangePasswordResult = Annotated[
    PasswordChanged | InvalidCredentialsError | InvalidInputError | TooManyAttemptsError,
    strawberry.union(
        "ChangePasswordResult", description="The new password, or the reason for a failure."
    ),
]


@strawberry.input(description="A new password, and the code that permits it.")
class ResetPasswordInput:
    code: str = strawberry.field(
        description="The code in the link of the mail, or the short code beside it."
    )
    new_password: str = strawberry.field(description=NEW_PASSWORD)
    email: str | None = strawberry.field(
        default=None, description="The account's address. Needed with the short code."
    )
