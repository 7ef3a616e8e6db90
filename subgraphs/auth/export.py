"""What auth exports of a person."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from uuid import UUID

from chassis.exports.records import Record, Records, in_pages
from chassis.paging import PageRequest
from subgraphs.auth.domain import Account, AccountMail, MailKind, Session
from subgraphs.auth.ports import UnitOfWork
from subgraphs.auth.security_events import SecurityEvent


async def user_records(
    unit_of_work: UnitOfWork, user_id: UUID, now: datetime
) -> AsyncGenerator[Records, None]:
    """Yield the account, its live sessions, its mails and its security events, the newest first.

    Yields nothing for a deleted account. Of passwords, tokens and codes nothing is exported, not
    even a hash: whoever reads the export must not be able to act as the user.
    """
    account = await unit_of_work.read(lambda r: r.users.account(user_id))
    if account is None:
        return
    yield Records("account", [_account(account)])
    sessions = await unit_of_work.read(lambda r: r.sessions.of_user(user_id, now))
    yield Records("sessions", [_session(session) for session in sessions])
    mails = await unit_of_work.read(lambda r: r.account_mails.of_user(user_id, list(MailKind)))
    yield Records("mails", [_mail(mail) for mail in mails])

    async def older_events(than: UUID, limit: int) -> Sequence[SecurityEvent]:
        request = PageRequest(limit, than if than.int else None)
        page = await unit_of_work.read(lambda r: r.security_events.of_user(user_id, request))
        return page.items

    async for events in in_pages(older_events, key=lambda event: event.id):
        yield Records("securityEvents", [_security_event(event) for event in events])


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
        "disabledAt": user.disabled_at,
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


def _security_event(event: SecurityEvent) -> Record:
    """Return an event as its owner sees it: without the name of an operator and their reason."""
    origin = event.origin
    return {
        "id": event.id,
        "kind": event.kind,
        "at": event.at,
        "sessionId": origin.session_id,
        "userAgent": origin.device.user_agent if origin.device else None,
        "address": origin.device.address if origin.device else None,
        "byOperator": origin.operator is not None,
    }
