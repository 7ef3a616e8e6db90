"""The use cases behind the pages of accounts, as a fake, and an application with the pages."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from chassis.logging import RequestLog
from subgraphs.auth.common_passwords import is_common
from subgraphs.auth.domain import NewPassword, User
from subgraphs.auth.errors import InvalidCode, InvalidInput, Problem
from subgraphs.auth.logins import Password
from subgraphs.auth.pages import account_routes

CODE = "q3hKp0Zs-7dV_x1T9nB4mYwLrEoJcUgAf2Gi6SkXtHM"
TYPED = "42424242"
ADA = User(UUID(int=1), "ada", "ada@example.com", "hash", datetime(2026, 11, 1, tzinfo=UTC))
ENDED = [UUID(int=7)]
DEVICE_TOKEN = "d" * 64


@dataclass
class FakeAccounts:
    """Accepts the codes CODE and TYPED, the latter for the address of ADA only."""

    user: User = ADA
    failure: Exception | None = None
    """Raised by every use case."""
    calls: list[tuple[object, ...]] = field(default_factory=list)
    """The use cases that were called, with their arguments."""

    async def verify_email(self, code: str, user_id: UUID | None, network: str) -> User:
        self._called("verify_email", code, user_id)
        self._check(code)
        return self.user

    async def request_password_reset(self, email: str, network: str) -> None:
        self._called("request_password_reset", email, network)
        if "@" not in email:
            raise InvalidInput([Problem("email", "E-mail address must have an @-sign.")])

    async def reset_password(
        self, code: str, new_password: str, email: str | None, network: str
    ) -> NewPassword:
        self._called("reset_password", code, new_password, email)
        if email is None or email == self.user.email:
            self._check(code, TYPED if email else CODE)
        else:
            raise InvalidCode
        password = Password.parse(new_password)
        problems = password.problems(
            username=self.user.username, email=self.user.email, is_common=is_common
        )
        if problems:
            raise InvalidInput([Problem("newPassword", each.message) for each in problems])
        return NewPassword(ENDED, DEVICE_TOKEN)

    async def restore_email(self, code: str, network: str) -> Sequence[UUID]:
        self._called("restore_email", code)
        self._check(code)
        return ENDED

    def _called(self, *call: object) -> None:
        self.calls.append(call)
        if self.failure:
            raise self.failure

    def _check(self, code: str, expected: str = CODE) -> None:
        if code != expected:
            raise InvalidCode


def pages_app(accounts: FakeAccounts, routes: Sequence[BaseRoute] = ()) -> Starlette:
    """Return an application that serves the pages and `routes`, with the log of a service."""
    app = Starlette(
        routes=[*routes, *account_routes(accounts)], middleware=[Middleware(RequestLog)]
    )
    app.router.redirect_slashes = False  # as in chassis/app.py
    return app
