"""The export of a person's data: the account to export, the request to the other services, and
what auth itself stores."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.exports.records import Record, Records
from subgraphs.auth.domain import Account, AccountMail, Login, MailKind, Session, User
from subgraphs.auth.errors import AccountNotFound
from subgraphs.auth.events import user_export_requested
from subgraphs.auth.ports import EmailNormalizer, UnitOfWork


@dataclass(frozen=True, slots=True)
class ExportService:
    unit_of_work: UnitOfWork
    normalize_email: EmailNormalizer
    now: Callable[[], datetime]

    async def find(self, login: str) -> User:
        """Return the user with this username, address or id. Raises AccountNotFound."""
        user_id = _id(login)
        if user_id:
            found = await self.unit_of_work.read(lambda r: r.users.by_ids([user_id]))
            user = next(iter(found), None)
        else:
            try:
                parsed = Login.parse(login, self.normalize_email)
            except ValueError:
                raise AccountNotFound from None
            user = await self.unit_of_work.read(lambda r: r.users.by_login(parsed))
        if user is None:
            raise AccountNotFound
        return user

    async def request(self, export_id: UUID) -> None:
        """Ask the other services to answer. The event names no user: the request does."""
        event = user_export_requested(export_id, self.now())
        await self.unit_of_work.transaction(lambda r: r.events.add(event))

    async def records(self, user_id: UUID) -> AsyncGenerator[Records, None]:
        """Yield what auth stores about a user; nothing for a deleted one.

        Not the hashes of passwords and tokens, nor what codes are derived from: they identify no
        one, and whoever reads the export must not be able to use them.
        """
        account = await self.unit_of_work.read(lambda r: r.users.account(user_id))
        if account is None:
            return
        yield Records("account", [_account(account)])
        sessions = await self.unit_of_work.read(lambda r: r.sessions.of_user(user_id, self.now()))
        yield Records("sessions", [_session(session) for session in sessions])
        mails = await self.unit_of_work.read(
            lambda r: r.account_mails.of_user(user_id, list(MailKind))
        )
        yield Records("mails", [_mail(mail) for mail in mails])


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _account(account: Account) -> Record:
    user, settings = account.user, account.email_settings
    return {
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "roles": sorted(user.roles),
        "createdAt": user.created_at,
        "emailVerifiedAt": user.email_verified_at,
        "passwordChangedAt": user.password_changed_at,
        "emailSettings": {"retweets": settings.retweets, "changedAt": settings.changed_at},
    }


def _session(session: Session) -> Record:
    return {
        "id": session.id,
        "createdAt": session.created_at,
        "lastUsedAt": session.last_used_at,
        "expiresAt": session.expires_at,
        "userAgent": session.device.user_agent,
        "address": session.device.address,
        "scopes": sorted(session.scopes),
    }


def _mail(mail: AccountMail) -> Record:
    return {
        "id": mail.id,
        "kind": mail.kind,
        "address": mail.address,
        "requestedAt": mail.created_at,
        "codeExpiresAt": mail.expires_at,
        "userAgent": mail.user_agent,
    }
