"""The types of expected errors, and the mapping of domain exceptions to them."""

import strawberry

from chassis.graphql.result_errors import Error, ErrorAsData
from subgraphs.auth import errors


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
    def after(cls, seconds: int) -> "TooManyAttemptsError":
        return cls(
            message=f"Too many attempts. Try again in {in_words(seconds)}.", retry_after=seconds
        )


@strawberry.type(
    description="The session was opened too long ago for this: send the password to "
    "`reauthenticate`, and try again with the new tokens."
)
class ReauthenticationRequiredError(Error):
    max_age: int = strawberry.field(
        description="The most seconds that may have passed since `Session.createdAt`."
    )

    @classmethod
    def beyond(cls, max_age: int) -> "ReauthenticationRequiredError":
        return cls(
            message="Enter your password again: you last did so more than "
            f"{in_words(max_age)} ago.",
            max_age=max_age,
        )


@strawberry.type(description="The code is unknown, used, or has expired.")
class InvalidCodeError(Error):
    pass


def in_words(seconds: int) -> str:
    """Return a duration for a message: `40 seconds`, or whole minutes, rounded up."""
    number, unit = (seconds, "second") if seconds < 60 else (-(-seconds // 60), "minute")
    return f"{number} {unit}{'' if number == 1 else 's'}"


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
        "An account with this e-mail address exists. Sign in, or use another address.",
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
        errors.InvalidCode,
        InvalidCodeError,
        "This code is unknown, used, or has expired. Request another.",
    ),
    ErrorAsData.saying(
        errors.SessionNotFound,
        SessionNotFoundError,
        "This session does not exist or has ended.",
    ),
    ErrorAsData(
        errors.ReauthenticationRequired,
        ReauthenticationRequiredError,
        lambda error: ReauthenticationRequiredError.beyond(int(error.max_age.total_seconds())),
    ),
    ErrorAsData(
        errors.TooManyAttempts,
        TooManyAttemptsError,
        lambda error: TooManyAttemptsError.after(error.seconds),
    ),
)
