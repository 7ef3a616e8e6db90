"""The events that the auth service publishes, and those of other services that it reads."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from chassis.events import Event, MalformedEventError, time_text
from subgraphs.auth.domain import AccountMail, EmailSettings, User

STREAM = "events.auth"
SOURCE = "/auth"

USER_REGISTERED = "user-registered"
USER_DELETED = "user-deleted"
SESSION_REVOKED = "session-revoked"

EMAIL_VERIFIED = "email-verified"
ACCOUNT_MAIL_REQUESTED = "account-mail-requested"
USER_EXPORT_REQUESTED = "user-export-requested"

EMAIL_SETTINGS_CHANGED = "email-settings-changed"


def user_registered(user: User, settings: EmailSettings) -> Event:
    """Return the event of a sign-up.

    `settings` are those chosen at sign-up; in a snapshot those of today, with `changedAt`.
    """
    email_settings: dict[str, Any] = {"retweets": settings.retweets}
    if settings.changed_at is not None:
        email_settings["changedAt"] = time_text(settings.changed_at)
    data = {
        "userId": str(user.id),
        "username": user.username,
        "email": user.email,
        "emailSettings": email_settings,
    }
    if user.email_verified_at is not None:
        data["emailVerifiedAt"] = time_text(user.email_verified_at)
    return _event(USER_REGISTERED, user.id, fact=user.id, time=user.created_at, data=data)


def user_deleted(user_id: UUID, time: datetime) -> Event:
    """Return the event of a deleted account."""
    return _event(USER_DELETED, user_id, fact=user_id, time=time, data={"userId": str(user_id)})


def session_revoked(user_id: UUID, session_ids: Sequence[UUID], time: datetime) -> Event:
    """Return the event of sessions that ended together; there is at least one."""
    return _event(
        SESSION_REVOKED,
        user_id,
        fact=session_ids[0],
        time=time,
        data={"userId": str(user_id), "sessionIds": [str(s) for s in session_ids]},
    )


def email_verified(user: User) -> Event:
    """Return the event of a verified address, which is the account's address from then on."""
    time = user.email_verified_at
    if time is None:
        raise ValueError("the address is not verified")
    return Event(
        id=uuid5(user.id, f"{EMAIL_VERIFIED} {time_text(time)}"),
        source=SOURCE,
        type=EMAIL_VERIFIED,
        subject=str(user.id),
        time=time,
        data={"userId": str(user.id), "email": user.email},
    )


def account_mail_requested(mail: AccountMail) -> Event:
    """Return the event that makes the notifier fetch a mail and send it; it names no person."""
    return Event.of_fact(
        ACCOUNT_MAIL_REQUESTED,
        mail.id,
        source=SOURCE,
        subject=mail.id,
        time=mail.created_at,
        data={"mailId": str(mail.id)},
    )


def user_export_requested(export_id: UUID, time: datetime) -> Event:
    """Return the event that makes every service export a person's data; it names no person."""
    return Event.of_fact(
        USER_EXPORT_REQUESTED,
        export_id,
        source=SOURCE,
        subject=export_id,
        time=time,
        data={"exportId": str(export_id)},
    )


def changed_email_settings(event: Event) -> tuple[UUID, EmailSettings]:
    """Return the user's id and the settings in an `email-settings-changed`.

    Raises MalformedEventError.
    """
    try:
        user_id = UUID(event.data["userId"])
    except (KeyError, ValueError, AttributeError, TypeError):
        raise MalformedEventError("data.userId is not the id of a user") from None
    retweets = event.data.get("retweets")
    if not isinstance(retweets, bool):
        raise MalformedEventError("data.retweets is not true or false")
    return user_id, EmailSettings(retweets, changed_at=event.time)


def _event(
    type: str,
    user_id: UUID,
    *,
    fact: UUID,
    time: datetime,
    data: Mapping[str, Any],
) -> Event:
    """Return an event whose id is always the same for the same `type` and `fact`.

    `fact` is the id of the user or session to which the event happens only once.
    """
    return Event(
        id=uuid5(fact, type), source=SOURCE, type=type, subject=str(user_id), time=time, data=data
    )
