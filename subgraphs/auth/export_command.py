"""The command that exports a person's data from every service as one JSON document."""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from redis.exceptions import RedisError

from chassis.app import open_database
from chassis.cli import AddCommand
from chassis.database import Database
from chassis.events import time_text
from chassis.exports.exchange import Exchange
from chassis.exports.records import Answer, gather
from chassis.migrations import versions_of
from chassis.streams import connect
from chassis.topology import Topology, declared
from subgraphs.auth.app import export_service
from subgraphs.auth.errors import AccountNotFound
from subgraphs.auth.settings import Settings

_AUTH = "auth"
_WAIT = 60
_NOT_FOUND = 3
"""The exit status if no account has the login."""
_INCOMPLETE = 4
"""The exit status for a document that lacks something, and says what."""


def add_export(add: AddCommand) -> None:
    """Add the command to a command line. `add` is `add_parser` of argparse."""
    text = "print the data of a person in every service as one JSON document"
    parser = add(
        "export",
        help=text,
        description=f"{text}. Exit status: 0 complete, 1 an outage, {_NOT_FOUND} no such account, "
        f"{_INCOMPLETE} a service is missing or an answer was cut, which the document says.",
    )
    parser.add_argument("login", help="the username, address or id of the account")
    parser.add_argument(
        "--wait",
        type=int,
        default=_WAIT,
        metavar="SECONDS",
        help=f"the longest wait for the other services; {_WAIT} by default",
    )
    parser.set_defaults(run=_run)


@dataclass(frozen=True, slots=True)
class Document:
    """The data of one person. `missing` has the services without an answer, and the reasons."""

    export_id: UUID
    user_id: UUID
    exported_at: datetime
    answers: Mapping[str, Answer]
    missing: Mapping[str, str]

    @property
    def truncated(self) -> list[str]:
        return [service for service, answer in self.answers.items() if answer.truncated]

    @property
    def complete(self) -> bool:
        return not (self.missing or self.truncated)

    def json(self) -> Iterator[str]:
        """Yield the document in parts: one answer at a time is in memory uncompressed."""
        head = {
            "exportId": str(self.export_id),
            "userId": str(self.user_id),
            "exportedAt": time_text(self.exported_at),
            "complete": self.complete,
            "missing": self.missing,
            "truncated": self.truncated,
        }
        yield json.dumps(head)[:-1] + ', "services": {'
        for number, (service, answer) in enumerate(self.answers.items()):
            yield f"{', ' if number else ''}{json.dumps(service)}: {answer.text}"
        yield "}}\n"


def _run(arguments: argparse.Namespace) -> None:
    settings = Settings.from_env()
    try:
        document = asyncio.run(_export(settings, arguments.login, arguments.wait))
    except AccountNotFound:
        print("auth: no account has this username, address or id", file=sys.stderr)
        sys.exit(_NOT_FOUND)
    except (RedisError, OSError) as error:
        sys.exit(f"auth: Redis is unavailable: {error}")
    sys.stdout.writelines(document.json())
    for service, reason in document.missing.items():
        print(f"auth: {service} is missing: {reason}", file=sys.stderr)
    for service in document.truncated:
        print(f"auth: the answer of {service} was cut: it is too large", file=sys.stderr)
    if not document.complete:
        sys.exit(_INCOMPLETE)


async def _export(settings: Settings, login: str, seconds: float) -> Document:
    database = Database(settings.database_url, pool_size=1)
    async with open_database(database, versions_of(_AUTH)), connect(settings.redis_url) as redis:
        service = export_service(settings, database)
        user = await service.find(login)
        export_id = uuid4()
        exchange = Exchange(redis, settings.router_secret, export_id)
        asked = sorted(declared().consumers_of(_AUTH))
        async with exchange.opened(user.id, asked, seconds):
            await service.request(export_id)
            collected = await exchange.collect(asked, seconds)
        # Read last: an account that was deleted meanwhile is not exported.
        own = await gather(service.records, user.id)
        if not own.records:
            raise AccountNotFound
        answers = {_AUTH: own, **collected.answers}
        missing = {**collected.missing, **unasked(declared())}
        return Document(export_id, user.id, datetime.now(UTC), answers, missing)


def unasked(topology: Topology) -> Mapping[str, str]:
    """Return the other services that may store data of a person and do not get the request.

    Each with the reason why it is missing.
    """
    reason = f'services.toml lacks consumes = ["{_AUTH}"], so it does not get the request'
    databases = {service.name for service in topology.databases}
    return dict.fromkeys(sorted(databases - topology.consumers_of(_AUTH) - {_AUTH}), reason)
