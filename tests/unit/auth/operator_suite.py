"""The behaviour of what operators do to accounts.

Run with the fakes in `test_operators.py` and with PostgreSQL in the integration tests.
"""

from uuid import UUID

import pytest

from subgraphs.auth.domain import MailKind, SignedIn
from subgraphs.auth.errors import (
    AccountNotFound,
    InvalidCode,
    InvalidCredentials,
    InvalidRefreshToken,
)
from subgraphs.auth.operators import OperatorService
from subgraphs.auth.ports import Repositories
from subgraphs.auth.security_events import Origin, Reason
from subgraphs.auth.security_events import SecurityEventKind as Kind
from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.recovery_suite import (
    ADDRESS,
    NETWORK,
    NEW_ADDRESS,
    NEW_PASSWORD,
    mails,
    newest,
    refused,
    user_of,
    verified,
)
from tests.unit.auth.recovery_suite import kinds as mailed
from tests.unit.auth.security_event_suite import kinds, recorded
from tests.unit.auth.service_suite import PASSWORD, sign_in, sign_up

OPERATOR = Origin(operator="grace")


ACTS = {
    "disable": (OperatorService.disable, Kind.ACCOUNT_DISABLED, MailKind.ACCOUNT_DISABLED),
    "end-sessions": (OperatorService.end_sessions, Kind.SESSIONS_ENDED, MailKind.SESSIONS_ENDED),
    "require-reset": (OperatorService.require_reset, Kind.RESET_REQUIRED, MailKind.RESET_REQUIRED),
    "delete": (OperatorService.delete, Kind.ACCOUNT_DELETED, MailKind.ACCOUNT_DELETED),
}
"""Those that end sessions."""


async def person(auth: FakeAuth) -> SignedIn:
    """Return a user with a verified address; what follows is done by an operator."""
    ada = await verified(auth)
    auth.origin = OPERATOR
    return ada


async def cannot_sign_in(auth: FakeAuth) -> None:
    with pytest.raises(InvalidCredentials):
        await sign_in(auth.service)


class Acts:
    @pytest.mark.asvs("7.4.5")
    @pytest.mark.parametrize("name", ACTS)
    async def test_act_ends_all_sessions_before_it_returns(self, auth: FakeAuth, name: str) -> None:
        first = await person(auth)
        second = await sign_in(auth.service)
        acted = await ACTS[name][0](auth.operators, "ada")
        assert set(acted.ended) == {first.session.id, second.session.id}
        assert await refused(auth, first)
        assert await refused(auth, second)

    @pytest.mark.parametrize("name", ACTS)
    async def test_act_is_recorded_with_operator_and_reason(
        self, auth: FakeAuth, name: str
    ) -> None:
        ada = await person(auth)
        act, kind, _ = ACTS[name]
        await act(auth.operators, "ada", "ticket 12")
        event, *_ = await recorded(auth, ada.user.id)
        assert (event.kind, event.origin, event.reason) == (kind, OPERATOR, "ticket 12")

    @pytest.mark.parametrize("name", ACTS)
    async def test_act_is_mailed_to_a_verified_address(self, auth: FakeAuth, name: str) -> None:
        await person(auth)
        act, _, kind = ACTS[name]
        assert (await act(auth.operators, "ada")).mailed
        (mail,) = await mails(auth)
        assert (mail.kind, mail.address, mail.username) == (kind, ADDRESS, "ada")
        assert mail.code == mail.short_code == ""

    @pytest.mark.parametrize("name", ACTS)
    async def test_unverified_address_gets_no_mail(self, auth: FakeAuth, name: str) -> None:
        await sign_up(auth.service)
        act, _, kind = ACTS[name]
        acted = await act(auth.operators, "ada")
        assert acted.changed
        assert not acted.mailed
        assert kind not in await mailed(auth)

    @pytest.mark.parametrize("name", ["disable", "end-sessions", "require-reset"])
    async def test_second_time_changes_records_and_mails_nothing(
        self, auth: FakeAuth, name: str
    ) -> None:
        ada = await person(auth)
        act = ACTS[name][0]
        await act(auth.operators, "ada")
        before = await kinds(auth, ada.user.id), await mailed(auth)
        acted = await act(auth.operators, "ada")
        assert (acted.changed, acted.ended, acted.mailed) == (False, (), False)
        assert (await kinds(auth, ada.user.id), await mailed(auth)) == before

    @pytest.mark.parametrize("login", ["ada", " ADA", ADDRESS, "id"])
    async def test_account_is_named_by_username_address_or_id(
        self, auth: FakeAuth, login: str
    ) -> None:
        ada = await person(auth)
        acted = await auth.operators.disable(str(ada.user.id) if login == "id" else login)
        assert acted.user.id == ada.user.id

    @pytest.mark.parametrize("login", ["grace", "grace@example.com", str(UUID(int=9)), "", "!"])
    async def test_unknown_account_is_an_error(self, auth: FakeAuth, login: str) -> None:
        await person(auth)
        for act in (*(act for act, *_ in ACTS.values()), OperatorService.enable):
            with pytest.raises(AccountNotFound):
                await act(auth.operators, login)
        with pytest.raises(AccountNotFound):
            await auth.operators.show(login)


class Disable:
    @pytest.mark.asvs("7.4.2")
    async def test_sign_in_is_refused_as_with_a_wrong_password(self, auth: FakeAuth) -> None:
        ada = await person(auth)
        await auth.operators.disable("ada")
        auth.origin = Origin()
        await cannot_sign_in(auth)
        event, *_ = await recorded(auth, ada.user.id)
        assert (event.kind, event.reason) == (Kind.SIGN_IN_FAILED, Reason.ACCOUNT_DISABLED)

    async def test_sign_in_that_is_verifying_the_password_fails(self, auth: FakeAuth) -> None:
        await person(auth)

        async def disable() -> None:
            auth.passwords.before_verify = None
            await auth.operators.disable("ada")

        auth.passwords.before_verify = disable
        await cannot_sign_in(auth)

    async def test_change_that_is_verifying_the_password_fails(self, auth: FakeAuth) -> None:
        ada = await person(auth)

        async def disable() -> None:
            auth.passwords.before_verify = None
            await auth.operators.disable("ada")

        auth.passwords.before_verify = disable
        with pytest.raises(InvalidCredentials):
            await auth.recovery.change_email(ada.user.id, NEW_ADDRESS, PASSWORD, NETWORK)

    async def test_code_of_before_is_refused(self, auth: FakeAuth) -> None:
        await person(auth)
        await auth.recovery.request_password_reset(ADDRESS, NETWORK)
        code = (await newest(auth, MailKind.RESET_PASSWORD)).code
        await auth.operators.disable("ada")
        with pytest.raises(InvalidCode):
            await auth.recovery.reset_password(code, NEW_PASSWORD, None, NETWORK)

    async def test_reset_mails_no_code(self, auth: FakeAuth) -> None:
        await person(auth)
        await auth.operators.disable("ada")
        await auth.recovery.request_password_reset(ADDRESS, NETWORK)
        assert await mailed(auth) == [MailKind.ACCOUNT_DISABLED]

    async def test_enabling_restores_the_account_and_is_mailed(self, auth: FakeAuth) -> None:
        ada = await person(auth)
        await auth.operators.disable("ada")
        acted = await auth.operators.enable("ada", "ticket 12")
        assert (acted.changed, acted.ended, acted.mailed) == (True, [], True)
        assert await mailed(auth) == [MailKind.ACCOUNT_DISABLED, MailKind.ACCOUNT_ENABLED]
        event, *_ = await recorded(auth, ada.user.id)
        assert (event.kind, event.origin) == (Kind.ACCOUNT_ENABLED, OPERATOR)
        await sign_in(auth.service)

    async def test_disabling_again_ends_a_session_that_an_earlier_release_opened(
        self, auth: FakeAuth
    ) -> None:
        ada = await sign_up(auth.service)
        await auth.operators.disable("ada")
        assert not (await auth.operators.disable("ada")).changed
        await auth.operators.enable("ada")
        session = await sign_in(auth.service)

        async def disable_alone(repositories: Repositories) -> None:
            await repositories.users.set_disabled(ada.user.id, auth.clock())

        await auth.unit_of_work.transaction(disable_alone)
        with pytest.raises(InvalidRefreshToken):
            await auth.service.refresh_session(session.refresh_token)
        assert (await auth.operators.disable("ada")).ended == [session.session.id]

    async def test_enabling_an_account_that_is_not_disabled_does_nothing(
        self, auth: FakeAuth
    ) -> None:
        await person(auth)
        assert not (await auth.operators.enable("ada")).changed
        assert await mailed(auth) == []


class RequireReset:
    @pytest.mark.asvs("6.4.6")
    async def test_password_is_void_and_a_mailed_code_sets_another(self, auth: FakeAuth) -> None:
        await person(auth)
        await auth.operators.require_reset("ada")
        await cannot_sign_in(auth)
        await auth.recovery.request_password_reset(ADDRESS, NETWORK)
        code = (await newest(auth, MailKind.RESET_PASSWORD)).code
        await auth.recovery.reset_password(code, PASSWORD, None, NETWORK)
        await sign_in(auth.service)

    async def test_codes_of_before_are_void(self, auth: FakeAuth) -> None:
        await person(auth)
        await auth.recovery.request_password_reset(ADDRESS, NETWORK)
        code = (await newest(auth, MailKind.RESET_PASSWORD)).code
        await auth.operators.require_reset("ada")
        with pytest.raises(InvalidCode):
            await auth.recovery.reset_password(code, NEW_PASSWORD, None, NETWORK)


class Delete:
    async def test_account_is_gone_and_its_name_free(self, auth: FakeAuth) -> None:
        ada = await person(auth)
        await auth.operators.delete("ada")
        types = [event.type for event in await auth.events()]
        assert types[-3:] == ["session-revoked", "user-deleted", "account-mail-requested"]
        await cannot_sign_in(auth)
        assert (await sign_up(auth.service)).user.id != ada.user.id

    async def test_account_deleted_meanwhile_is_not_found(self, auth: FakeAuth) -> None:
        ada = await person(auth)
        found = auth.credentials.unit_of_work
        await found.transaction(lambda r: r.users.remove(ada.user.id, auth.clock.now))
        with pytest.raises(AccountNotFound):
            await auth.operators.delete(str(ada.user.id))


class Show:
    async def test_account_is_shown_with_sessions_and_events(self, auth: FakeAuth) -> None:
        ada = await person(auth)
        shown = await auth.operators.show("ada", "ticket 12")
        assert shown.user == await user_of(auth, ada)
        assert [session.id for session in shown.sessions] == [ada.session.id]
        assert [event.kind for event in shown.events] == [Kind.EMAIL_VERIFIED, Kind.SIGNED_UP]

    async def test_look_at_an_account_is_recorded(self, auth: FakeAuth) -> None:
        ada = await person(auth)
        await auth.operators.show("ada", "ticket 12")
        event, *_ = await recorded(auth, ada.user.id)
        assert (event.kind, event.origin, event.reason) == (
            Kind.ACCOUNT_VIEWED,
            OPERATOR,
            "ticket 12",
        )
        assert await mailed(auth) == []

    async def test_deleted_account_is_shown_by_its_id(self, auth: FakeAuth) -> None:
        ada = await person(auth)
        await auth.operators.delete("ada")
        shown = await auth.operators.show(str(ada.user.id))
        assert (shown.user, shown.deleted_at) == (None, auth.clock.now)
        assert shown.events[0].kind is Kind.ACCOUNT_DELETED
