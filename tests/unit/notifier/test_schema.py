"""The notifier's subgraph, executed in process on the fakes."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chassis.principal import Principal
from notifier.context import NotifierContext
from notifier.schema import build_schema
from tests.unit.notifier.fakes import ADA, GRACE, FakeNotifier, Person, address

SCHEMA = build_schema()
ALL = frozenset({"account:read", "account:write"})
SETTINGS = """
query ($them: [_Any!]!) {
  _entities(representations: $them) {
    ... on User { id emailSettings { retweets addressUnsubscribed undeliverableSince } }
  }
}
"""
UPDATE = """
mutation ($retweets: Boolean) {
  updateEmailSettings(input: {retweets: $retweets}) { retweets }
}
"""

Answer = dict[str, Any]
Ask = Callable[..., Awaitable[Answer]]


def principal(person: Person, scopes: frozenset[str] = ALL) -> Principal:
    return Principal(
        person.id, person.name, scopes, person.id, expires_at=datetime(2100, 1, 1, tzinfo=UTC)
    )


@pytest.fixture
def notifier() -> FakeNotifier:
    return FakeNotifier()


@pytest.fixture
def ask(notifier: FakeNotifier) -> Ask:
    async def run(document: str, caller: Principal | None, **variables: object) -> Answer:
        context = NotifierContext(
            principal=caller, client_address="", user_agent="", service=notifier.service
        )
        result = await SCHEMA.execute(document, variables, context_value=context)
        errors = [(e.extensions or {})["code"] for e in result.errors or []]
        return {"data": result.data, "errors": errors}

    return run


def user(person: Person) -> dict[str, str]:
    return {"__typename": "User", "id": str(person.id)}


class TestEmailSettings:
    async def test_only_own_settings_are_visible(self, ask: Ask, notifier: FakeNotifier) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.registered(GRACE, retweets=True)
        answer = await ask(SETTINGS, principal(ADA), them=[user(ADA), user(GRACE)])
        assert answer["errors"] == []
        assert [entity["emailSettings"] for entity in answer["data"]["_entities"]] == [
            {"retweets": True, "addressUnsubscribed": False, "undeliverableSince": None},
            None,
        ]

    async def test_owner_sees_when_the_address_was_refused(
        self, ask: Ask, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        at = notifier.clock.now
        await notifier.unit_of_work.transaction(
            lambda r: r.addresses.save_refusal(address(ADA), at)
        )
        answer = await ask(SETTINGS, principal(ADA), them=[user(ADA)])
        (entity,) = answer["data"]["_entities"]
        assert entity["emailSettings"]["undeliverableSince"] == "2026-11-01T12:00:00+00:00"

    async def test_anonymous_caller_gets_null(self, ask: Ask) -> None:
        answer = await ask(SETTINGS, None, them=[user(ADA)])
        assert answer == {
            "data": {"_entities": [{"id": str(ADA.id), "emailSettings": None}]},
            "errors": [],
        }

    async def test_read_needs_the_scope(self, ask: Ask) -> None:
        writer = principal(ADA, frozenset({"account:write"}))
        assert (await ask(SETTINGS, writer, them=[user(ADA)]))["errors"] == ["FORBIDDEN"]

    async def test_invalid_user_id_gives_null(self, ask: Ask) -> None:
        them = [{"__typename": "User", "id": "ada"}]
        assert (await ask(SETTINGS, principal(ADA), them=them))["data"] == {"_entities": [None]}


class TestUpdateEmailSettings:
    async def test_returns_the_settings_in_effect(self, ask: Ask, notifier: FakeNotifier) -> None:
        for wanted in (True, None, False):
            answer = await ask(UPDATE, principal(ADA), retweets=wanted)
            now = await notifier.wants_mail(ADA)
            assert answer["data"] == {"updateEmailSettings": {"retweets": now}}
            assert wanted in {now, None}

    async def test_returns_that_the_address_is_unsubscribed(
        self, ask: Ask, notifier: FakeNotifier
    ) -> None:
        await notifier.registered(ADA, retweets=True)
        await notifier.unsubscribed(ADA)
        update = UPDATE.replace("{ retweets }", "{ retweets addressUnsubscribed }")
        assert await ask(update, principal(ADA), retweets=True) == {
            "data": {"updateEmailSettings": {"retweets": False, "addressUnsubscribed": True}},
            "errors": [],
        }

    async def test_anonymous_caller_is_refused(self, ask: Ask) -> None:
        assert (await ask(UPDATE, None, retweets=True))["errors"] == ["UNAUTHENTICATED"]

    async def test_write_needs_the_scope(self, ask: Ask, notifier: FakeNotifier) -> None:
        reader = principal(ADA, frozenset({"account:read"}))
        assert (await ask(UPDATE, reader, retweets=True))["errors"] == ["FORBIDDEN"]
        assert not await notifier.wants_mail(ADA)


def test_committed_schema_is_current() -> None:
    assert Path("notifier/schema.graphql").read_text() == f"{SCHEMA.sdl}\n"
