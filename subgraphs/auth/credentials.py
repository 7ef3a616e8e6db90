"""Finds the account of a login and checks its password."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from subgraphs.auth.domain import User
from subgraphs.auth.errors import InvalidCredentials, Problem, TooManyAttempts
from subgraphs.auth.limits import Budget, Limits
from subgraphs.auth.logins import Login, Password, folded
from subgraphs.auth.ports import (
    DeviceTokens,
    EmailNormalizer,
    PasswordHasher,
    Repositories,
    Throttle,
    UnitOfWork,
)
from subgraphs.auth.security_events import Reason, SecurityEventKind
from subgraphs.auth.security_log import SecurityLog

_NETWORK = "sign-in.network"


@dataclass(frozen=True, slots=True)
class Credentials:
    unit_of_work: UnitOfWork
    passwords: PasswordHasher
    normalize_email: EmailNormalizer
    is_common_password: Callable[[str], bool]
    devices: DeviceTokens
    throttle: Throttle
    limits: Limits
    security_log: SecurityLog
    product: str = ""
    """The product's name, which is no password."""

    async def by_login(self, typed: str) -> User | None:
        """Return the user with this username or address."""
        try:
            login = Login.parse(typed, self.normalize_email)
        except ValueError:
            return None
        return await self.unit_of_work.read(lambda repositories: repositories.users.by_login(login))

    async def sign_in(
        self, login: str, password: str, *, network: str, device_token: str | None
    ) -> tuple[User, bool]:
        """Return the user with this login and password, and whether the device is known.

        A device that has signed in before has attempts of its own, so strangers cannot lock it out;
        all others share those of the account and those of their network. Whether an account has
        the login shows in nothing: an unknown login takes the same steps. Raises InvalidCredentials
        or TooManyAttempts.
        """
        account = await self.by_login(login)
        device = self.devices.device(device_token, account) if device_token else None
        reaches = True
        try:
            if device:
                await self.throttle.take(self._password_budget(f"sign-in.device:{device}"))
            else:
                reaches = await self._reaches_password(account, folded(login.strip()), network)
        except TooManyAttempts as refused:
            # What the budget of a network alone refuses says nothing about the account; and one
            # network could else write into the events of every account.
            if refused.kinds != {_NETWORK}:
                kind = SecurityEventKind.SIGN_IN_THROTTLED
                await self.security_log.add_refused(kind, account.id if account else None)
            raise
        kind = SecurityEventKind.SIGN_IN_FAILED if reaches else SecurityEventKind.SIGN_IN_THROTTLED
        user = await self.authenticate(account, password, kind, reaches=reaches)
        return user, device is not None

    async def _reaches_password(self, account: User | None, named: str, network: str) -> bool:
        """Count a stranger's attempt. Return whether it may be compared with the password.

        An account has two logins, its username and its address, with one budget between them. An
        answer that named this budget would reveal which address belongs to a username; so beyond it
        the attempt is answered as for an unknown login.
        """
        await self.throttle.take(
            self._password_budget(f"sign-in.login:{named}"),
            Budget(f"{_NETWORK}:{network}", self.limits.sign_ins_per_network, self.limits.period),
        )
        try:
            key = account.id if account else named
            await self.throttle.take(self._password_budget(f"sign-in.account:{key}"))
        except TooManyAttempts:
            return False
        return True

    def problems(self, password: Password, *, username: str, email: str) -> list[Problem]:
        """Return why an account may not have this password."""
        return password.problems(
            username=username, email=email, is_common=self.is_common_password, product=self.product
        )

    async def authenticate(
        self, user: User | None, typed: str, failure: SecurityEventKind, *, reaches: bool = True
    ) -> User:
        """Return the user if this is their password and the account is not disabled.

        `failure` is the kind of event that records a refusal. With `reaches` False the attempt is
        refused, after the steps that an unknown login takes. Raises InvalidCredentials.
        """
        password = Password.parse(typed)
        # Also without a user, so that the time does not reveal which logins exist.
        expected = user.password_hash if user and reaches else None
        matches = await self.passwords.verify(expected, password.text)
        if user is None or not matches or user.disabled_at:
            user_id, reason = (user.id, _reason(user)) if user else (None, None)
            await self.security_log.add_refused(failure, user_id, reason if reaches else None)
            raise InvalidCredentials
        if self.passwords.outdated(user.password_hash):
            await self._rehash(user, password)
        return user

    async def confirm(self, user_id: UUID, typed: str) -> User:
        """Return the signed-in user if this is their password.

        Raises InvalidCredentials, or TooManyAttempts: a stolen access token must not serve to
        guess the password.
        """
        try:
            await self.throttle.take(self._password_budget(f"password.account:{user_id}"))
        except TooManyAttempts:
            kind = SecurityEventKind.REAUTHENTICATION_THROTTLED
            await self.security_log.add_refused(kind, user_id)
            raise
        users = await self.unit_of_work.read(lambda r: r.users.by_ids([user_id]))
        kind = SecurityEventKind.REAUTHENTICATION_FAILED
        return await self.authenticate(users[0] if users else None, typed, kind)

    def _password_budget(self, key: str) -> Budget:
        return Budget(key, self.limits.passwords_per_account, self.limits.period)

    async def _rehash(self, user: User, password: Password) -> None:
        new = await self.passwords.hash(password.text)
        await self.unit_of_work.statement(
            lambda repositories: repositories.users.change_password_hash(
                user.id, old=user.password_hash, new=new
            )
        )


def _reason(user: User) -> Reason:
    """Return why a password is refused."""
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
