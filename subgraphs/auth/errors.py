"""What can go wrong in ways that a client handles."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem with one field of an input."""

    field: str
    message: str


class InvalidInput(Exception):
    """One or more input fields are invalid."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{p.field}: {p.message}" for p in problems))
        self.problems = problems


class UsernameTaken(Exception):
    """Another account has this username, perhaps in another case."""


class EmailTaken(Exception):
    """An account with this e-mail address exists."""


class AccountNotFound(Exception):
    """No account has this username, address or id."""


class InvalidCredentials(Exception):
    """The login names no account, or the password is wrong; a client never learns which."""


class InvalidRefreshToken(Exception):
    """The refresh token is unknown or used up, or its session has ended."""


class SessionNotFound(Exception):
    """The user has no live session with this id."""


class ReauthenticationRequired(Exception):
    """The session was opened longer ago than `max_age`, so the password is needed again."""

    def __init__(self, max_age: timedelta) -> None:
        super().__init__(f"the session is older than {max_age}")
        self.max_age = max_age


class UnknownRole(Exception):
    """No service declares a role of this name."""

    def __init__(self, role: str, known: Sequence[str]) -> None:
        super().__init__(f"there is no role {role}; known are {', '.join(known)}")


class InvalidCode(Exception):
    """The code is unknown, used, or has expired."""


class TooManyAttempts(Exception):
    """A limit of attempts is reached; the next one is possible after `retry_after`."""

    def __init__(self, retry_after: timedelta, kinds: Collection[str] = ()) -> None:
        """`kinds` are those of the budgets that refused."""
        super().__init__(f"retry after {retry_after}")
        self.retry_after = retry_after
        self.kinds = frozenset(kinds)

    @property
    def seconds(self) -> int:
        """The wait in whole seconds, rounded up."""
        return -(-self.retry_after // timedelta(seconds=1))
