"""The composition root of the notifier."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from uuid_utils.compat import uuid7

from chassis.backfill import by_id
from chassis.database import Database
from chassis.dead_letters import EventHandler, RejectedEvents
from chassis.parts import Parts
from chassis.shutdown import Shutdown
from chassis.unit_of_work import SqlUnitOfWork
from notifier.account_mails import AccountMailRenderer, mail_writer
from notifier.addresses import AddressDigests
from notifier.auth_client import GrpcAccountMails
from notifier.consumer import BACKFILLED, handler
from notifier.context import NotifierContext
from notifier.dead_letters import DeadLetters
from notifier.domain import Outcome
from notifier.export import user_records
from notifier.mailer import SmtpMailer
from notifier.metrics import count_mails, watch_deliveries
from notifier.mime import MimeComposer
from notifier.ports import AccountMails
from notifier.rendering import RetweetMails
from notifier.repository import SqlRepositories
from notifier.schema import build_schema
from notifier.sender import Sender
from notifier.service import NotifierService
from notifier.settings import Settings
from notifier.unsubscribe import UnsubscribeLinks, unsubscribe_routes


def create_app(settings: Settings, shutdown: Shutdown) -> Starlette:
    parts = Parts("notifier", settings)
    service = notifier_service(settings, parts.database, parts.wake_relay)
    account_mails = GrpcAccountMails(settings.grpc_addresses["auth"], settings.account_mail_secret)
    mailer, sender = mail_sender(
        settings, parts.database, account_mails, count_mails(parts.metrics.registry)
    )
    watch_deliveries(parts.metrics, unit_of_work(settings, parts.database))

    def make_context(connection: HTTPConnection) -> NotifierContext:
        return NotifierContext.from_connection(connection, service=service)

    return parts.app(
        build_schema(introspection=settings.introspection),
        make_context,
        shutdown,
        running=[
            mailer.open,
            account_mails.running,
            sender.running,
            parts.consumer(
                handler(service, sender.wake),
                export=partial(user_records, service.unit_of_work),
                backfilled=BACKFILLED,
                claim_idle=settings.claim_after.total_seconds(),
            ),
        ],
        snapshot=by_id(service.snapshot),
        routes=unsubscribe_routes(
            unsubscribe_links(settings), service.unsubscribe, service.resubscribe
        ),
    )


def event_handler(settings: Settings, database: Database) -> EventHandler:
    """Return what the service does with an event, for commands outside of `serve`."""
    return handler(notifier_service(settings, database))


def dead_letters(settings: Settings, database: Database) -> DeadLetters:
    rejected = RejectedEvents(database, event_handler(settings, database))
    return DeadLetters(unit_of_work(settings, database), rejected, _now)


def unit_of_work(
    settings: Settings, database: Database, wake: Callable[[], None] = lambda: None
) -> SqlUnitOfWork[SqlRepositories]:
    digests = AddressDigests(settings.unsubscribe_secrets)
    return SqlUnitOfWork(database, SqlRepositories.using(digests), wake)


def notifier_service(
    settings: Settings, database: Database, wake: Callable[[], None] = lambda: None
) -> NotifierService:
    return NotifierService(
        unit_of_work=unit_of_work(settings, database, wake),
        now=_now,
        new_id=uuid7,
        digests=AddressDigests(settings.unsubscribe_secrets),
        window=settings.window,
        message_domain=settings.sender.domain,
    )


def mail_sender(
    settings: Settings,
    database: Database,
    account_mails: AccountMails,
    record: Callable[[Outcome], None] = lambda _: None,
) -> tuple[SmtpMailer, Sender]:
    mailer = SmtpMailer(settings.smtp, MimeComposer(settings.sender, _now, settings.signer))
    work, product = unit_of_work(settings, database), settings.sender.display_name
    write = mail_writer(
        RetweetMails(product, settings.tweet_url, unsubscribe_links(settings).url),
        account_mails,
        AccountMailRenderer(product, settings.public_url),
        lambda address: work.read(lambda r: r.addresses.undeliverable_since(address)),
    )
    sender = Sender(
        work,
        mailer,
        write,
        settings.sending,
        now=_now,
        chance=random.random,
        record=record,
    )
    return mailer, sender


def unsubscribe_links(settings: Settings) -> UnsubscribeLinks:
    secrets = settings.unsubscribe_secrets
    return UnsubscribeLinks(settings.public_url, secrets, AddressDigests(secrets))


def _now() -> datetime:
    return datetime.now(UTC)
