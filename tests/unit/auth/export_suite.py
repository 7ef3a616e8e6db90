"""The export of auth, and the request to the other services, for any repository."""

from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.exports import records
from chassis.paging import PageRequest
from subgraphs.auth.domain import MailKind
from subgraphs.auth.errors import AccountNotFound
from subgraphs.auth.export import user_records
from subgraphs.auth.security_events import Origin, SecurityEventKind
from tests.unit.auth.fakes import SCOPES, FakeAuth
from tests.unit.auth.service_suite import LAPTOP, PASSWORD, sign_in, sign_up
from tests.unit.fakes import exported


async def records_of(auth: FakeAuth, user_id: UUID) -> Any:
    return await exported(partial(user_records, auth.unit_of_work, now=auth.clock.now), user_id)


class Find:
    @pytest.mark.parametrize("login", ["ada", " ADA ", "ada@example.com", "Ada@Example.com"])
    async def test_login_finds_the_account(self, auth: FakeAuth, login: str) -> None:
        user = (await sign_up(auth.service)).user
        await sign_up(auth.service, "grace")
        assert (await auth.operators.find(login)).id == user.id

    async def test_id_finds_the_account(self, auth: FakeAuth) -> None:
        user = (await sign_up(auth.service)).user
        assert (await auth.operators.find(str(user.id))).id == user.id

    @pytest.mark.parametrize("login", ["grace", "grace@example.com", str(UUID(int=9)), "", "a b"])
    async def test_unknown_login_finds_none(self, auth: FakeAuth, login: str) -> None:
        await sign_up(auth.service)
        with pytest.raises(AccountNotFound):
            await auth.operators.find(login)


class RequestExport:
    async def test_event_names_no_person(self, auth: FakeAuth) -> None:
        user, export_id = (await sign_up(auth.service)).user, uuid4()
        await auth.operators.request_export(user.id, export_id, None)
        event = (await auth.events())[-1]
        assert (event.type, event.data) == ("user-export-requested", {"exportId": str(export_id)})

    async def test_export_is_recorded(self, auth: FakeAuth) -> None:
        user = (await sign_up(auth.service)).user
        auth.origin = Origin(operator="olga")
        await auth.operators.request_export(user.id, uuid4(), "ticket 12")
        page = await auth.unit_of_work.read(
            lambda r: r.security_events.of_user(user.id, PageRequest(1))
        )
        (event,) = page.items
        assert (event.kind, event.reason) == (SecurityEventKind.ACCOUNT_EXPORTED, "ticket 12")
        assert event.origin.operator == "olga"


class UserRecords:
    async def test_account_has_the_address_and_the_settings(self, auth: FakeAuth) -> None:
        user = (await sign_up(auth.service)).user
        await sign_up(auth.service, "grace")
        (account,) = (await records_of(auth, user.id))["account"]
        assert (account["id"], account["username"]) == (str(user.id), "ada")
        assert (account["email"], account["emailVerifiedAt"]) == ("ada@example.com", None)
        assert account["emailSettings"] == {"retweets": False, "changedAt": None}

    async def test_live_sessions_are_last_used_first(self, auth: FakeAuth) -> None:
        first = await sign_up(auth.service)
        auth.clock.advance(minutes=1)
        second = await sign_in(auth.service)
        sessions = (await records_of(auth, first.user.id))["sessions"]
        assert [s["id"] for s in sessions] == [str(second.session.id), str(first.session.id)]
        assert sessions[1]["userAgent"] == LAPTOP.user_agent
        assert sessions[1]["address"] == LAPTOP.address
        assert sessions[1]["scopes"] == sorted(SCOPES)

    async def test_mails_have_ids_and_times(self, auth: FakeAuth) -> None:
        user = (await sign_up(auth.service)).user
        (mail,) = (await records_of(auth, user.id))["mails"]
        assert (mail["kind"], mail["address"]) == ("verify-email", "ada@example.com")
        assert mail["requestedAt"]

    async def test_security_events_are_newest_first(self, auth: FakeAuth) -> None:
        signed_in = await sign_up(auth.service)
        auth.clock.advance(minutes=1)
        await sign_in(auth.service)
        events = (await records_of(auth, signed_in.user.id))["securityEvents"]
        assert [e["kind"] for e in events] == ["signed-in-on-new-device", "signed-up"]

    async def test_operators_are_not_named(self, auth: FakeAuth) -> None:
        user = (await sign_up(auth.service)).user
        auth.clock.advance(minutes=1)
        auth.origin = Origin(operator="olga")
        await auth.operators.request_export(user.id, uuid4(), "ticket 12")
        records = await records_of(auth, user.id)
        assert records["securityEvents"][0]["byOperator"] is True
        assert "olga" not in str(records)
        assert "ticket" not in str(records)

    async def test_every_page_of_security_events_is_exported_once(
        self, auth: FakeAuth, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(records, "_PAGE", 2)
        user = (await sign_up(auth.service)).user
        for _ in range(4):
            auth.clock.advance(minutes=1)
            await auth.operators.request_export(user.id, uuid4(), None)
        events = (await records_of(auth, user.id))["securityEvents"]
        assert [e["kind"] for e in events] == ["account-exported"] * 4 + ["signed-up"]
        assert len({e["id"] for e in events}) == 5

    async def test_no_secret_is_exported(self, auth: FakeAuth) -> None:
        signed_in = await sign_up(auth.service)
        text = str(await records_of(auth, signed_in.user.id))
        secrets = [PASSWORD, signed_in.refresh_token, signed_in.access_token.value]
        mails = await auth.unit_of_work.read(
            lambda r: r.account_mails.of_user(signed_in.user.id, [MailKind.VERIFY_EMAIL])
        )
        secrets += [form for m in mails for form in (m.seed.hex(), m.hash.hex(), str(m.seed))]
        assert len(secrets) == 6
        assert [secret for secret in secrets if secret in text] == []

    async def test_nothing_of_a_deleted_account_is_exported(self, auth: FakeAuth) -> None:
        user = (await sign_up(auth.service)).user
        await auth.service.delete_account(user.id, PASSWORD)
        assert await records_of(auth, user.id) == {}
