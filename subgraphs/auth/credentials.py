"""Finds the account of a login and checks its password."""

from collections.abc import Callable
from dataclasses import dataclass

from subgraphs.auth.domain import Login, Password, User
from subgraphs.auth.errors import InvalidCredentials
from subgraphs.auth.ports import EmailNormalizer, PasswordHasher, Repositories, UnitOfWork


@dataclass(frozen=True, slots=True)
class Credentials:
    unit_of_work: UnitOfWork
    passwords: PasswordHasher
    normalize_email: EmailNormalizer
    is_common_password: Callable[[str], bool]

    async def by_login(self, typed: str) -> User | None:
        """Return the user with this username or address."""
        try:
            login = Login.parse(typed, self.normalize_email)
        except ValueError:
            return None
        return await self.unit_of_work.read(lambda repositories: repositories.users.by_login(login))

    async def authenticate(self, user: User | None, typed: str) -> User:
        """Return the user if this is their password. Raises InvalidCredentials."""
        password = Password.parse(typed)
        # Also without a user, so that the time does not reveal which logins exist.
        matches = await self.passwords.verify(user.password_hash if user else None, password.text)
        if user is None or not matches:
            raise InvalidCredentials
        if self.passwords.outdated(user.password_hash):
            await self._rehash(user, password)
        return user

    async def _rehash(self, user: User, password: Password) -> None:
        new = await self.passwords.hash(password.text)
        await self.unit_of_work.statement(
            lambda repositories: repositories.users.change_password_hash(
                user.id, old=user.password_hash, new=new
            )
        )


async def lock_authenticated(repositories: Repositories, user: User) -> User:
    """Lock a user whose password was verified before the transaction. Returns the user of now.

    Raises InvalidCredentials if the account was deleted or got another password since: a reset
    that ends in the meantime is stronger than what the old password began.
    """
    locked = await repositories.users.lock(user.id)
    if locked is None or locked.password_changed_at != user.password_changed_at:
        raise InvalidCredentials
    return locked
