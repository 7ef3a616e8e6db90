"""The use cases of verifying an address, recovering an account, changing password and address."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from chassis.ports import T
from subgraphs.auth.credentials import Credentials, lock_authenticated
from subgraphs.auth.domain import MailKind, NewPassword, User
from subgraphs.auth.errors import (
    EmailTaken,
    InvalidCode,
    InvalidInput,
    Problem,
)
from subgraphs.auth.events import email_verified
from subgraphs.auth.limits import Budget, Limits
from subgraphs.auth.logins import Login, Password, folded
from subgraphs.auth.mails import AccountMails
from subgraphs.auth.ports import Repositories, RevocationAnnouncer, Throttle
from subgraphs.auth.security_events import SecurityEventKind
from subgraphs.auth.security_log import SecurityLog
from subgraphs.auth.service import end_sessions

_VERIFICATIONS = (MailKind.VERIFY_EMAIL, MailKind.CHANGE_EMAIL)
PENDING = (*_VERIFICATIONS, MailKind.RESET_PASSWORD)
"""The kinds whose codes a change of the password makes void. The right to take an address back
stays: otherwise a reset through the new address would end it."""


@dataclass(frozen=True, slots=True)
class RecoveryService:
    """A method that ends sessions returns when no process accepts their tokens any more.

    `network` is the client's network, as `limits.network_of` returns it. Every method raises
    TooManyAttempts.
    """

    credentials: Credentials
    mails: AccountMails
    revocations: RevocationAnnouncer
    throttle: Throttle
    limits: Limits
    security_log: SecurityLog
    now: Callable[[], datetime]

    # -- verification of an address --------------------------------------------------------------

    async def request_email_verification(self, user_id: UUID, network: str) -> str | None:
        """Mail a code to the user's address, verified or not.

        Returns the address, or None for an account that was deleted.
        """
        users = await self._read(lambda r: r.users.by_ids([user_id]))
        if not users:
            return None
        await self._take_mail(users[0].email, network)

        async def work(repositories: Repositories) -> str | None:
            user = await repositories.users.lock(user_id)
            if user is None:
                return None
            await self.mails.request(repositories, MailKind.VERIFY_EMAIL, user.email, user_id)
            return user.email

        return await self._transaction(work)

    async def verify_email(self, code: str, user_id: UUID | None, network: str) -> User:
        """Verify the address that a code was mailed to; in a change, it becomes the account's.

        `user_id` is the signed-in user, who may also use a short code. Raises InvalidCode or
        EmailTaken.
        """
        await self._take_code(network)

        async def work(repositories: Repositories) -> User | None:
            redeemed = await self.mails.redeem(repositories, code, _VERIFICATIONS, user_id)
            if redeemed is None:
                return None
            mail, user = redeemed
            if mail.kind is MailKind.CHANGE_EMAIL:
                kind, apply = SecurityEventKind.EMAIL_CHANGED, self._move
            else:
                kind, apply = SecurityEventKind.EMAIL_VERIFIED, self._verify
            await self.security_log.add(repositories, kind, user.id)
            return await apply(repositories, user, mail.address)

        return _valid(await self._transaction(work))

    async def change_email(self, user_id: UUID, new_email: str, password: str, network: str) -> str:
        """Mail a code to a new address, which becomes the account's once it is verified.

        Returns the address as it will be stored. Raises InvalidCredentials, InvalidInput or
        EmailTaken.
        """
        address = self._normalized(new_email, "newEmail")
        user = await self.credentials.confirm(user_id, password)
        if address == user.email:
            raise InvalidInput([Problem("newEmail", "This is already your address.")])
        # Before the budget of the address, or others could use it up for its owner.
        await self._read(lambda r: self._refuse_taken(r, user, address))
        await self._take_mail(address, network)

        async def work(repositories: Repositories) -> None:
            await lock_authenticated(repositories, user)
            await self._refuse_taken(repositories, user, address)
            await repositories.account_mails.remove(user_id, [MailKind.CHANGE_EMAIL])
            await self.mails.request(repositories, MailKind.CHANGE_EMAIL, address, user_id)
            kind = SecurityEventKind.EMAIL_CHANGE_REQUESTED
            await self.security_log.add(repositories, kind, user_id)

        await self._transaction(work)
        return address

    async def restore_email(self, code: str, network: str) -> Sequence[UUID]:
        """Give an account its previous address back, with the code that was mailed to it.

        The change of the address needed the password, so a thief may know it: all sessions end, the
        account has no password until it is reset, and the mail for that is requested. Returns the
        ids of the sessions ended. Raises InvalidCode or EmailTaken.
        """
        await self._take_code(network)
        now = self.now()

        async def work(repositories: Repositories) -> Sequence[UUID] | None:
            redeemed = await self.mails.redeem(repositories, code, [MailKind.EMAIL_CHANGED], None)
            if redeemed is None:
                return None
            mail, user = redeemed
            await repositories.users.change_password(user.id, "", now)
            await repositories.account_mails.remove(user.id, PENDING)
            # This right and the later ones. An older one stays: its address had the account before.
            await repositories.account_mails.remove(
                user.id, [MailKind.EMAIL_CHANGED], since=mail.created_at
            )
            await self._verify(repositories, user, mail.address)
            await self.mails.request(repositories, MailKind.RESET_PASSWORD, mail.address, user.id)
            kind = SecurityEventKind.EMAIL_RESTORED
            await self.security_log.add(repositories, kind, user.id)
            return await end_sessions(repositories, user.id, now)

        return await self._announced(_valid(await self._transaction(work)))

    # -- passwords -------------------------------------------------------------------------------

    async def request_password_reset(self, email: str, network: str) -> str:
        """Mail a code to an address if an account has it.

        Nothing here depends on that: the account is looked up when the mail is sent. Returns the
        address in the form that is compared. Raises InvalidInput.
        """
        address = self._normalized(email, "email")
        await self._take_mail(address, network)
        await self._transaction(lambda r: self.mails.request(r, MailKind.RESET_PASSWORD, address))
        return address

    async def reset_password(
        self, code: str, new_password: str, email: str | None, network: str
    ) -> NewPassword:
        """Set a password with a mailed code, and end all sessions.

        `email` is needed with a short code. Raises InvalidCode or InvalidInput; the latter leaves
        the code valid.
        """
        await self._take_code(network)
        # Not a username: everyone knows it, and could use up the attempts at the short code.
        named = await self.credentials.by_login(email) if email and "@" in email else None
        named_id = named.id if named else None

        async def redeem(repositories: Repositories) -> User | None:
            redeemed = await self.mails.redeem(
                repositories, code, [MailKind.RESET_PASSWORD], named_id
            )
            return redeemed[1] if redeemed else None

        # Hashing takes long, so it holds no lock.
        user = _valid(await self._transaction(redeem))
        new_hash = await self._new_hash(user, new_password)
        now = self.now()

        async def work(repositories: Repositories) -> NewPassword | None:
            locked = await redeem(repositories)
            if locked is None:
                return None
            kind = SecurityEventKind.PASSWORD_RESET
            await self.security_log.add(repositories, kind, locked.id)
            return await self._replace_password(repositories, locked, new_hash, now)

        changed = _valid(await self._transaction(work))
        await self._announced(changed.session_ids)
        return changed

    async def change_password(
        self, user_id: UUID, session_id: UUID, current: str, new: str
    ) -> NewPassword:
        """Replace the password and end all sessions but `session_id`.

        Raises InvalidCredentials or InvalidInput.
        """
        user = await self.credentials.confirm(user_id, current)
        new_hash = await self._new_hash(user, new)
        now = self.now()

        async def work(repositories: Repositories) -> NewPassword:
            locked = await lock_authenticated(repositories, user)
            kind = SecurityEventKind.PASSWORD_CHANGED
            await self.security_log.add(repositories, kind, user_id)
            return await self._replace_password(repositories, locked, new_hash, now, session_id)

        changed = await self._transaction(work)
        await self._announced(changed.session_ids)
        return changed

    # -- steps -----------------------------------------------------------------------------------

    async def _verify(self, repositories: Repositories, user: User, address: str) -> User:
        await self._refuse_taken(repositories, user, address)
        user = await repositories.users.verify_email(user, address, self.now())
        await repositories.account_mails.remove(user.id, _VERIFICATIONS)
        await repositories.events.add(email_verified(user))
        return user

    async def _move(self, repositories: Repositories, user: User, address: str) -> User:
        """Give an account another, verified address; a verified previous one may take it back."""
        moved = await self._verify(repositories, user, address)
        if user.email_verified:
            await self.mails.request(repositories, MailKind.EMAIL_CHANGED, user.email, user.id)
        return moved

    async def _replace_password(
        self,
        repositories: Repositories,
        user: User,
        new_hash: str,
        now: datetime,
        keep: UUID | None = None,
    ) -> NewPassword:
        """Store a new password, whose device tokens are new too, and end the sessions but `keep`.

        The tokens of earlier devices are void: whoever knew the old password may have many.
        """
        changed_at = await repositories.users.change_password(user.id, new_hash, now)
        changed = replace(user, password_changed_at=changed_at)
        device_token = self.credentials.devices.issue(changed, keep or self.mails.new_id())
        await repositories.account_mails.remove(user.id, PENDING)
        await self.mails.notify(repositories, MailKind.PASSWORD_CHANGED, user)
        return NewPassword(await end_sessions(repositories, user.id, now, keep=keep), device_token)

    async def _refuse_taken(self, repositories: Repositories, user: User, address: str) -> None:
        """Raise EmailTaken if another account has the address, or may take it back."""
        other = await repositories.users.by_login(Login(address))
        reserved = await repositories.account_mails.is_reserved(address, user.id, self.now())
        if reserved or (other and other.id != user.id):
            raise EmailTaken

    async def _new_hash(self, user: User, typed: str) -> str:
        """Return the hash of a new password. Raises InvalidInput."""
        password = Password.parse(typed)
        problems = self.credentials.problems(password, username=user.username, email=user.email)
        if problems:
            raise InvalidInput([Problem("newPassword", problem.message) for problem in problems])
        return await self.credentials.passwords.hash(password.text)

    def _normalized(self, email: str, field: str) -> str:
        try:
            return self.credentials.normalize_email(email)
        except ValueError as error:
            raise InvalidInput([Problem(field, str(error))]) from None

    async def _take_mail(self, address: str, network: str) -> None:
        limits = self.limits
        await self.throttle.take(
            Budget(f"mail.address:{folded(address)}", limits.mails_per_address, self._period),
            Budget(f"mail.network:{network}", limits.mails_per_network, self._period),
        )

    async def _take_code(self, network: str) -> None:
        await self.throttle.take(
            Budget(f"code.network:{network}", self.limits.codes_per_network, self._period)
        )

    async def _announced(self, ended: Sequence[UUID]) -> Sequence[UUID]:
        await self.revocations.announce(ended)
        return ended

    @property
    def _period(self) -> timedelta:
        return self.limits.period

    async def _transaction(self, work: Callable[[Repositories], Awaitable[T]]) -> T:
        return await self.credentials.unit_of_work.transaction(work)

    async def _read(self, work: Callable[[Repositories], Awaitable[T]]) -> T:
        return await self.credentials.unit_of_work.read(work)


def _valid(outcome: T | None) -> T:
    """Return the outcome of a transaction that redeems a code. Raises InvalidCode for None.

    Raised after the commit, so that a wrong short code stays counted.
    """
    if outcome is None:
        raise InvalidCode
    return outcome
