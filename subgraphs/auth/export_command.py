"""The command that exports a person's data from every service as one JSON document."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID, uuid4

from redis.exceptions import RedisError

from chassis.events import time_text
from chassis.exports.exchange import Exchange
from chassis.exports.records import Answer, gather
from chassis.streams import connect
from chassis.topology import Topology, declared
from subgraphs.auth.accounts_command import (
    NOT_FOUND,
    Commands,
    Open,
    account_parser,
    run_on_account,
)
from subgraphs.auth.errors import AccountNotFound
from subgraphs.auth.export import user_records
from subgraphs.auth.settings import Settings

_AUTH = "auth"
_WAIT = 60
INCOMPLETE = 4
"""The exit status for a document that lacks something, and says what."""


def add_export(commands: Commands, open_operators: Open) -> None:
    """Add the command to those on accounts."""
    text = "print the person's data in every service as one JSON document"
    parser = account_parser(commands, "export", text)
    parser.description = (
        f"{text}. Exit status: 0 complete, 1 an outage, {NOT_FOUND} no such account, "
        f"{INCOMPLETE} a service is missing or an answer was cut, which the document says."
    )
    parser.add_argument(
        "--wait",
        type=int,
        default=_WAIT,
        metavar="SECONDS",
        help=f"the longest wait for the other services; {_WAIT} by default",
    )
    parser.set_defaults(run=lambda arguments: _run(arguments, open_operators))


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


def _run(arguments: argparse.Namespace, open_operators: Open) -> None:
    try:
        document = run_on_account(lambda settings: _export(settings, arguments, open_operators))
    except (RedisError, OSError) as error:
        sys.exit(f"auth: Redis is unavailable: {error}")
    sys.stdout.writelines(document.json())
    for service, reason in document.missing.items():
        print(f"auth: {service} is missing: {reason}", file=sys.stderr)
    for service in document.truncated:
        print(f"auth: the answer of {service} was cut: it is too large", file=sys.stderr)
    if not document.complete:
        sys.exit(INCOMPLETE)


async def _export(
    settings: Settings, arguments: argparse.Namespace, open_operators: Open
) -> Document:
    async with (
        open_operators(settings, arguments.operator) as operators,
        connect(settings.redis_url) as redis,
    ):
        user = await operators.find(arguments.login)
        export_id = uuid4()
        exchange = Exchange(redis, settings.router_secret, export_id)
        asked = sorted(declared().consumers_of(_AUTH))
        async with exchange.opened(user.id, asked, arguments.wait):
            await operators.request_export(user.id, export_id, arguments.reason)
            collected = await exchange.collect(asked, arguments.wait)
        now = datetime.now(UTC)
        # Read last: an account that was deleted meanwhile is not exported.
        unit_of_work = operators.credentials.unit_of_work
        own = await gather(partial(user_records, unit_of_work, now=now), user.id)
        if not own.records:
            raise AccountNotFound
        missing = {**collected.missing, **unasked(declared())}
        return Document(export_id, user.id, now, {_AUTH: own, **collected.answers}, missing)


def unasked(topology: Topology) -> Mapping[str, str]:
    """Return the other services that may store data of a person and do not get the request.

    Each with the reason why it is missing.
    """
    reason = f'services.toml lacks consumes = ["{_AUTH}"], so it does not get the request'
    databases = {service.name for service in topology.databases}
    return dict.fromkeys(sorted(databases - topology.consumers_of(_AUTH) - {_AUTH}), reason)
