"""Finds the account of a login and checks its password."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from subgraphs.auth.domain import Budget, Limits, Login, Password, User
from subgraphs.auth.errors import InvalidCredentials, TooManyAttempts
from subgraphs.auth.ports import EmailNormalizer, PasswordHasher, Repositories, Throttle, UnitOfWork


@dataclass(frozen=True, slots=True)
class Credentials:
    unit_of_work: UnitOfWork
    passwords: PasswordHasher
    normalize_email: EmailNormalizer
    is_common_password: Callable[[str], bool]
    throttle: Throttle
    limits: Limits

    async def by_login(self, typed: str) -> User | None:
        """Return the user with this username or address."""
        try:
            login = Login.parse(typed, self.normalize_email)
        except ValueError:
            return None
        return await self.unit_of_work.read(lambda repositories: repositories.users.by_login(login))

    async def sign_in(self, login: str, password: str, network: str) -> User:
        """Return the user with this login and password.

        Whether an account has the login shows in nothing: an unknown login takes the same steps.
        Raises InvalidCredentials or TooManyAttempts.
        """
        account = await self.by_login(login)
        named = login.strip().lower()
        await self.throttle.take(
            self._password_budget(f"sign-in.login:{named}"),
            Budget(
                f"sign-in.network:{network}", self.limits.sign_ins_per_network, self.limits.period
            ),
        )
        if not await self._may_be_guessed(str(account.id) if account else named):
            account = None
        return await self.authenticate(account, password)

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

    async def confirm(self, user_id: UUID, typed: str) -> User:
        """Return the signed-in user if this is their password.

        Raises InvalidCredentials, or TooManyAttempts: a stolen access token must not serve to
        guess the password.
        """
        await self.throttle.take(self._password_budget(f"password.account:{user_id}"))
        users = await self.unit_of_work.read(lambda r: r.users.by_ids([user_id]))
        return await self.authenticate(users[0] if users else None, typed)

    async def _may_be_guessed(self, account: str) -> bool:
        """Count a stranger's attempt at the password of an account. Return whether it may be made.

        An account has two logins, its username and its address. If the answer named this budget,
        it would reveal which address belongs to a username.
        """
        try:
            await self.throttle.take(self._password_budget(f"sign-in.account:{account}"))
        except TooManyAttempts:
            return False
        return True

    def _password_budget(self, key: str) -> Budget:
        return Budget(key, self.limits.passwords_per_account, self.limits.period)

    async def _rehash(self, user: User, password: Password) -> None:
        new = await self.passwords.hash(password.text)
        await self.unit_of_work.statement(
            lambda repositories: repositories.users.change_password_hash(
                user.id, old=user.password_hash, new=new
            )
        )


async def lock_authenticated(repositories: Repositories, user: User) -> User:
    """Lock a user whose password was verified before this transaction; return it read again.

    Raises InvalidCredentials if the account has been deleted or its password changed since. So
    nothing that was begun with the old password takes effect after a reset.
    """
    locked = await repositories.users.lock(user.id)
    if locked is None or locked.password_changed_at != user.password_changed_at:
        raise InvalidCredentials
    return locked
