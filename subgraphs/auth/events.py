"""What the auth service tells others: people come and go, sessions end."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from chassis.events import Event
from subgraphs.auth.domain import EmailSettings, User

STREAM = "events.auth"
SOURCE = "/auth"

USER_REGISTERED = "user-registered"
USER_DELETED = "user-deleted"
SESSION_REVOKED = "session-revoked"


def user_registered(user: User, settings: EmailSettings) -> Event:
    return _event(
        USER_REGISTERED,
        user.id,
        fact=user.id,
        time=user.created_at,
        data={
            "userId": str(user.id),
            "username": user.username,
            "email": user.email,
            "emailSettings": {"retweets": settings.retweets},
        },
    )


def user_deleted(user_id: UUID, time: datetime) -> Event:
    return _event(USER_DELETED, user_id, fact=user_id, time=time, data={"userId": str(user_id)})


def session_revoked(user_id: UUID, session_ids: Sequence[UUID], time: datetime) -> Event:
    """One event for all sessions that ended together; there is at least one."""
    return _event(
        SESSION_REVOKED,
        user_id,
        fact=session_ids[0],
        time=time,
        data={"userId": str(user_id), "sessionIds": [str(s) for s in session_ids]},
    )


def _event(
    type: str,  # noqa: A002
    user_id: UUID,
    *,
    fact: UUID,
    time: datetime,
    data: Mapping[str, Any],
) -> Event:
    """`fact` is the id of what this happens to only once, so the event always gets the same id."""
    return Event(
        id=uuid5(fact, type), source=SOURCE, type=type, subject=str(user_id), time=time, data=data
    )
