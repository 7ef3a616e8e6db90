"""Handles the events of other services."""

from collections.abc import Callable

from chassis.dead_letters import EventHandler
from chassis.events import Event
from notifier import events
from notifier.service import NotifierService

BACKFILLED = ("auth",)
"""The services whose state is asked for. That of tweets would cause mails about old retweets."""


def handler(service: NotifierService, wake: Callable[[], None] = lambda: None) -> EventHandler:
    """Return the handler of all events. Events may be repeated and out of order.

    It ignores other types, and raises MalformedEventError for data that it cannot read. `wake` is
    called after an event, which may have made a mail due.
    """

    async def handle(event: Event) -> None:
        match event.type:
            case events.USER_REGISTERED:
                await service.save_user(event.id, events.registered_user(event))
            case events.EMAIL_VERIFIED:
                await service.save_user(event.id, events.verified_user(event))
            case events.USER_DELETED:
                await service.forget_user(event.id, events.deleted_user(event))
            case events.ACCOUNT_MAIL_REQUESTED:
                await service.add_account_mail(event.id, events.requested_account_mail(event))
            case events.TWEET_RETWEETED:
                await service.report_retweet(event.id, *events.new_retweet(event))
            case events.RETWEET_UNDONE:
                await service.undo_retweet(event.id, events.undone_retweet(event))
            case events.TWEET_DELETED:
                await service.forget_tweet(event.id, events.deleted_tweet(event))
            case _:
                return
        wake()

    return handle
