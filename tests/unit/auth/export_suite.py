"""The export of auth, and the request to the other services, for any repository."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from subgraphs.auth.domain import MailKind
from subgraphs.auth.emails import normalize_email
from subgraphs.auth.errors import AccountNotFound
from subgraphs.auth.export import ExportService
from tests.unit.auth.fakes import SCOPES, FakeAuth
from tests.unit.auth.service_suite import LAPTOP, PASSWORD, sign_in, sign_up
from tests.unit.fakes import exported


def service_of(auth: FakeAuth) -> ExportService:
    return ExportService(auth.unit_of_work, normalize_email, auth.clock)


async def records_of(auth: FakeAuth, user_id: UUID) -> Any:
    return await exported(service_of(auth).records, user_id)


class Find:
    @pytest.mark.parametrize("login", ["ada", " ADA ", "ada@example.com", "Ada@Example.com"])
    async def test_login_finds_the_account(self, auth: FakeAuth, login: str) -> None:
        user = (await sign_up(auth.service)).user
        await sign_up(auth.service, "grace")
        assert (await service_of(auth).find(login)).id == user.id

    async def test_id_finds_the_account(self, auth: FakeAuth) -> None:
        user = (await sign_up(auth.service)).user
        assert (await service_of(auth).find(str(user.id))).id == user.id

    @pytest.mark.parametrize("login", ["grace", "grace@example.com", str(UUID(int=9)), "", "a b"])
    async def test_unknown_login_finds_none(self, auth: FakeAuth, login: str) -> None:
        await sign_up(auth.service)
        with pytest.raises(AccountNotFound):
            await service_of(auth).find(login)


class Request:
    async def test_event_names_no_person(self, auth: FakeAuth) -> None:
        export_id = uuid4()
        await service_of(auth).request(export_id)
        (event,) = await auth.events()
        assert (event.type, event.data) == ("user-export-requested", {"exportId": str(export_id)})


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
