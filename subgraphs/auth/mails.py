"""Requests mails about accounts, hands their content to the notifier, and redeems their codes."""

import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from subgraphs.auth.domain import (
    MAX_CODE_ATTEMPTS,
    SHORT_CODE_DIGITS,
    AccountMail,
    MailContent,
    MailKind,
    ReportedSignIn,
    User,
)
from subgraphs.auth.events import account_mail_requested
from subgraphs.auth.logins import Login, is_fictitious
from subgraphs.auth.ports import CodeMint, Repositories, UnitOfWork
from subgraphs.auth.user_agents import browser, system

CODE_VALID = timedelta(minutes=10)
"""OWASP ASVS 5.0, 6.5.5."""
_TAKE_BACK_VALID = timedelta(days=3)
_VALID = {
    MailKind.VERIFY_EMAIL: CODE_VALID,
    MailKind.CHANGE_EMAIL: CODE_VALID,
    MailKind.RESET_PASSWORD: CODE_VALID,
    MailKind.EMAIL_CHANGED: _TAKE_BACK_VALID,
}
_STALE = timedelta(days=1)
"""The age after which a mail with a code is no longer sent, because its user has given up on it."""


class MailNotWanted(Exception):
    """A mail must not be sent; the text is the reason, and names no person."""


@dataclass(frozen=True, slots=True)
class AccountMails:
    """A requested mail has no code yet. The code is derived when the notifier fetches the mail.

    So a usable code is stored nowhere, and its validity does not run while a mail server is down.
    """

    unit_of_work: UnitOfWork
    codes: CodeMint
    now: Callable[[], datetime]
    new_id: Callable[[], UUID]

    async def request(
        self,
        repositories: Repositories,
        kind: MailKind,
        address: str,
        user_id: UUID | None = None,
        *,
        username: str | None = None,
        user_agent: str | None = None,
    ) -> None:
        """Request a mail, in the caller's transaction.

        `user_id` None is for a password reset: the account is looked up when the mail is sent, so
        that a request takes the same time whether the address has an account or not. An address
        that cannot exist gets no mail. `username` is that of an account that this transaction
        deletes, `user_agent` that of a sign-in that the mail reports.
        """
        if is_fictitious(address):
            return
        seed = self.codes.seed()
        mail = AccountMail(
            id=self.new_id(),
            kind=kind,
            address=address,
            user_id=user_id,
            seed=seed,
            hash=self.codes.hash(self.codes.code(seed)),
            created_at=self.now(),
            username=username,
            user_agent=user_agent,
        )
        await repositories.account_mails.add(mail)
        await repositories.events.add(account_mail_requested(mail))

    async def notify(self, repositories: Repositories, kind: MailKind, user: User) -> bool:
        """Request a mail to a user if the address is verified. Returns whether it is.

        A mail about the deletion of the account holds what it says, because the account is gone.
        """
        if not user.email_verified:
            return False
        if kind is MailKind.ACCOUNT_DELETED:
            await self.request(repositories, kind, user.email, username=user.username)
        else:
            await self.request(repositories, kind, user.email, user.id)
        return True

    async def content(self, mail_id: UUID) -> MailContent:
        """Return what a mail says; its code is valid from now on. Raises MailNotWanted.

        May be repeated, for a retry of the mail: the code is the same.
        """
        now = self.now()

        async def work(repositories: Repositories) -> MailContent:
            mail = await repositories.account_mails.lock(mail_id)
            if mail is None:
                raise MailNotWanted("its code was used, or its account deleted")
            valid_for = _VALID.get(mail.kind)
            if valid_for == CODE_VALID and now - mail.created_at > _STALE:
                raise MailNotWanted("it was requested more than a day ago")
            if mail.username is not None:
                return MailContent(mail.kind, mail.address, mail.username)
            mail, user = await _addressed(repositories, mail)
            if valid_for is not None:
                mail = replace(mail, expires_at=now + valid_for)
            await repositories.account_mails.send(mail)
            return self._content(mail, user, valid_for)

        return await self.unit_of_work.transaction(work)

    async def redeem(
        self,
        repositories: Repositories,
        code: str,
        kinds: Collection[MailKind],
        user_id: UUID | None,
    ) -> tuple[AccountMail, User] | None:
        """Return the mail with this code, and its user, who is locked. None: the code is invalid.

        A short code needs `user_id`, the user who types it. A wrong one is counted, so the caller
        commits even after None.
        """
        typed = "".join(code.split())
        code_hash = self.codes.hash(typed)
        is_short = len(typed) <= SHORT_CODE_DIGITS
        if not is_short:
            mail = await repositories.account_mails.by_hash(code_hash)
            user_id = mail.user_id if mail else None
        # The user is locked before the mails are read: every use of a code does so.
        user = await repositories.users.lock(user_id) if user_id else None
        if user is None or user.disabled_at:
            return None
        now = self.now()
        mails = [
            mail
            for mail in await repositories.account_mails.of_user(user.id, kinds)
            if mail.is_valid(user, now)
        ]
        if not is_short:
            return next(((mail, user) for mail in mails if mail.hash == code_hash), None)
        open_ = [m for m in mails if m.kind.has_short_code and m.attempts < MAX_CODE_ATTEMPTS]
        for mail in open_:
            expected = self.codes.hash(self.codes.short_code(mail.seed))
            if hmac.compare_digest(expected, code_hash):
                return mail, user
        await repositories.account_mails.count_attempt([mail.id for mail in open_])
        return None

    def _content(self, mail: AccountMail, user: User, valid_for: timedelta | None) -> MailContent:
        if valid_for is None:
            return MailContent(mail.kind, mail.address, user.username, sign_in=_reported(mail))
        return MailContent(
            mail.kind,
            mail.address,
            user.username,
            code=self.codes.code(mail.seed),
            short_code=self.codes.short_code(mail.seed) if mail.kind.has_short_code else "",
            valid_for=valid_for,
        )


def _reported(mail: AccountMail) -> ReportedSignIn | None:
    if mail.user_agent is None:
        return None
    return ReportedSignIn(mail.created_at, browser(mail.user_agent), system(mail.user_agent))


async def _addressed(repositories: Repositories, mail: AccountMail) -> tuple[AccountMail, User]:
    """Return the mail with its account, and the account. Raises MailNotWanted.

    An unverified address gets a verification mail instead of a password reset.
    """
    if mail.user_id is None:
        user = await repositories.users.by_login(Login(mail.address))
        if user is None:
            raise MailNotWanted("no account has its address")
        mail = replace(mail, address=user.email, user_id=user.id)
    else:
        # The foreign key: a mail that names its account is removed with it.
        (user,) = await repositories.users.by_ids([mail.user_id])
    if not mail.is_current(user):
        raise MailNotWanted("the account has another address now")
    if user.disabled_at and mail.kind.has_short_code:
        raise MailNotWanted("the account is disabled")
    if mail.kind is MailKind.RESET_PASSWORD and not user.email_verified:
        mail = replace(mail, kind=MailKind.VERIFY_EMAIL)
    return mail, user
