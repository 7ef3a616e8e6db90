"""The events that the auth service publishes, and those of other services that it reads."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from chassis.events import Event, MalformedEventError
from subgraphs.auth.domain import EmailSettings, User

STREAM = "events.auth"
SOURCE = "/auth"

USER_REGISTERED = "user-registered"
USER_DELETED = "user-deleted"
SESSION_REVOKED = "session-revoked"

EMAIL_SETTINGS_CHANGED = "email-settings-changed"


def user_registered(user: User, settings: EmailSettings) -> Event:
    """Return the event of a sign-up.

    `settings` are those chosen at sign-up; in a snapshot those of today, with `changedAt`.
    """
    email_settings: dict[str, Any] = {"retweets": settings.retweets}
    if settings.changed_at is not None:
        email_settings["changedAt"] = _text(settings.changed_at)
    return _event(
        USER_REGISTERED,
        user.id,
        fact=user.id,
        time=user.created_at,
        data={
            "userId": str(user.id),
            "username": user.username,
            "email": user.email,
            "emailSettings": email_settings,
        },
    )


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


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


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
