"""Finds the account of a login and checks its password."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from subgraphs.auth.domain import Budget, Limits, Login, Password, User
from subgraphs.auth.errors import InvalidCredentials, TooManyAttempts
from subgraphs.auth.ports import EmailNormalizer, PasswordHasher, Repositories, Throttle, UnitOfWork
from subgraphs.auth.security_events import Reason, SecurityEventKind
from subgraphs.auth.security_log import SecurityLog


@dataclass(frozen=True, slots=True)
class Credentials:
    unit_of_work: UnitOfWork
    passwords: PasswordHasher
    normalize_email: EmailNormalizer
    is_common_password: Callable[[str], bool]
    throttle: Throttle
    limits: Limits
    security_log: SecurityLog

    async def by_login(self, typed: str) -> User | None:
        """Return the user with this username or address."""
        try:
            login = Login.parse(typed, self.normalize_email)
        except ValueError:
            return None
        return await self.unit_of_work.read(lambda repositories: repositories.users.by_login(login))

    async def authenticate(self, user: User | None, typed: str, failure: SecurityEventKind) -> User:
        """Return the user if this is their password and the account is not disabled.

        `failure` is the kind of event that records a refusal. Raises InvalidCredentials.
        """
        password = Password.parse(typed)
        # Also without a user, so that the time does not reveal which logins exist.
        matches = await self.passwords.verify(user.password_hash if user else None, password.text)
        if user is None or not matches or user.disabled_at:
            user_id = user.id if user else None
            await self.security_log.add_refused(failure, user_id, _reason(user))
            raise InvalidCredentials
        if self.passwords.outdated(user.password_hash):
            await self._rehash(user, password)
        return user

    async def confirm(self, user_id: UUID, typed: str) -> User:
        """Return the signed-in user if this is their password.

        Raises InvalidCredentials, or TooManyAttempts: a stolen access token must not serve to
        guess the password.
        """
        limit = self.limits.passwords_per_account
        budget = Budget(f"password.account:{user_id}", limit, self.limits.period)
        try:
            await self.throttle.take(budget)
        except TooManyAttempts:
            kind = SecurityEventKind.REAUTHENTICATION_THROTTLED
            await self.security_log.add_refused(kind, user_id)
            raise
        users = await self.unit_of_work.read(lambda r: r.users.by_ids([user_id]))
        kind = SecurityEventKind.REAUTHENTICATION_FAILED
        return await self.authenticate(users[0] if users else None, typed, kind)

    async def _rehash(self, user: User, password: Password) -> None:
        new = await self.passwords.hash(password.text)
        await self.unit_of_work.statement(
            lambda repositories: repositories.users.change_password_hash(
                user.id, old=user.password_hash, new=new
            )
        )


def _reason(user: User | None) -> Reason | None:
    """Return why a sign-in to an account is refused."""
    if user is None:
        return None
    if user.disabled_at:
        return Reason.ACCOUNT_DISABLED
    return Reason.WRONG_PASSWORD if user.password_hash else Reason.NO_PASSWORD


async def lock_authenticated(repositories: Repositories, user: User) -> User:
    """Lock a user whose password was verified before this transaction; return it read again.

    Raises InvalidCredentials if the account has been deleted or disabled or its password changed
    since. So nothing that was begun with the old password takes effect after a reset.
    """
    locked = await repositories.users.lock(user.id)
    if locked is None or locked.disabled_at:
        raise InvalidCredentials
    if locked.password_changed_at != user.password_changed_at:
        raise InvalidCredentials
    return locked
