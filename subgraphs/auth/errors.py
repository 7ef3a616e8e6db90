"""What can go wrong in ways that a client is told about."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field of an input."""

    field: str
    message: str


class InvalidInput(Exception):  # noqa: N818
    """One or more fields hold what they may not."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{p.field}: {p.message}" for p in problems))
        self.problems = problems


class UsernameTaken(Exception):  # noqa: N818
    """Somebody has this username, perhaps in other case."""


class EmailTaken(Exception):  # noqa: N818
    """An account with this e-mail address exists."""


class InvalidCredentials(Exception):  # noqa: N818
    """No such account, or not its password: which of the two is never told."""


class InvalidRefreshToken(Exception):  # noqa: N818
    """The refresh token is unknown, used up, or its session has ended."""


class SessionNotFound(Exception):  # noqa: N818
    """The person has no such session (any more)."""


class Refusal(StrEnum):
    """Why an access token was refused; a client refreshes in the second case, and only then."""

    INVALID = "The access token is not valid."
    EXPIRED = "The access token has expired."
    SESSION_ENDED = "The session has ended."


class InvalidAccessToken(Exception):  # noqa: N818
    """The access token is not one of ours, is not valid now, or its session has ended."""

    def __init__(self, refusal: Refusal = Refusal.INVALID) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
