"""The behaviour of the record of security events.

Run with the fakes in `test_security_events.py` and with PostgreSQL in the integration tests.
"""

from collections.abc import Awaitable
from contextlib import suppress
from uuid import UUID, uuid4

import pytest

from chassis.paging import PageRequest
from subgraphs.auth.domain import MailKind
from subgraphs.auth.errors import (
    EmailTaken,
    InvalidCredentials,
    InvalidInput,
    InvalidRefreshToken,
    SessionNotFound,
    TooManyAttempts,
)
from subgraphs.auth.limits import Limits
from subgraphs.auth.security_events import (
    Origin,
    Reason,
    SecurityEvent,
)
from subgraphs.auth.security_events import SecurityEventKind as Kind
from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.recovery_suite import (
    ADDRESS,
    NETWORK,
    NEW_ADDRESS,
    NEW_PASSWORD,
    mails,
    newest,
    verified,
    with_new_address,
)
from tests.unit.auth.service_suite import LAPTOP, PASSWORD, PHONE, sign_in, sign_up

ALL = PageRequest(100)


async def recorded(auth: FakeAuth, user_id: UUID, page: PageRequest = ALL) -> list[SecurityEvent]:
    """Return the events of an account, the newest first."""
    return list((await auth.service.security_events(user_id, page)).items)


async def kinds(auth: FakeAuth, user_id: UUID) -> list[Kind]:
    """Return the kinds of the events of an account, the oldest first."""
    return [event.kind for event in reversed(await recorded(auth, user_id))]


async def fail(attempt: Awaitable[object]) -> None:
    """Await an attempt that is refused."""
    with pytest.raises((InvalidCredentials, TooManyAttempts, InvalidRefreshToken)):
        await attempt


class Sessions:
    async def test_sign_up_and_sign_in_are_recorded_with_their_sessions(
        self, auth: FakeAuth
    ) -> None:
        first = await sign_up(auth.service)
        auth.origin = Origin(PHONE)
        second = await sign_in(auth.service)
        signed_in, signed_up = await recorded(auth, first.user.id)
        assert (signed_up.kind, signed_in.kind) == (Kind.SIGNED_UP, Kind.SIGNED_IN_ON_NEW_DEVICE)
        assert signed_up.origin == Origin(LAPTOP, first.session.id)
        assert signed_in.origin == Origin(PHONE, second.session.id)
        assert signed_in.at == auth.clock.now

    async def test_sign_in_on_a_known_device_is_a_kind_of_its_own(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        await auth.service.sign_in(
            login="ada",
            password=PASSWORD,
            scopes=None,
            device=LAPTOP,
            device_token=ada.device_token,
        )
        assert await kinds(auth, ada.user.id) == [Kind.SIGNED_UP, Kind.SIGNED_IN]

    async def test_refused_sign_up_records_nothing(self, auth: FakeAuth) -> None:
        with pytest.raises(InvalidInput):
            await auth.service.sign_up(username="ada", email="", password="", device=LAPTOP)
        ada = await sign_up(auth.service)
        assert await kinds(auth, ada.user.id) == [Kind.SIGNED_UP]

    async def test_ends_of_sessions_are_recorded(self, auth: FakeAuth) -> None:
        first = await sign_up(auth.service)
        user_id = first.user.id
        second, third = await sign_in(auth.service), await sign_in(auth.service)
        acting = Origin(LAPTOP, first.session.id)
        auth.origin = acting
        await auth.sessions.sign_out(user_id, second.session.id)
        await auth.sessions.revoke_session(user_id, first.session.id, third.session.id)
        await auth.sessions.sign_out_everywhere(user_id, first.session.id)
        *rest, out = reversed(await recorded(auth, user_id))
        assert (out.kind, out.origin) == (Kind.SIGNED_OUT_EVERYWHERE, acting)
        assert [(e.kind, e.origin.session_id) for e in rest[3:]] == [
            (Kind.SIGNED_OUT, second.session.id),
            (Kind.SESSION_REVOKED, third.session.id),
        ]

    async def test_session_that_had_ended_is_not_recorded_again(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        await auth.sessions.sign_out(ada.user.id, ada.session.id)
        await auth.sessions.sign_out(ada.user.id, ada.session.id)
        with suppress(SessionNotFound):
            await auth.sessions.revoke_session(ada.user.id, ada.session.id, ada.session.id)
        assert await kinds(auth, ada.user.id) == [Kind.SIGNED_UP, Kind.SIGNED_OUT]

    async def test_reauthentication_is_recorded_with_the_new_session(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        new = await auth.sessions.reauthenticate(ada.user.id, ada.session.id, PASSWORD, LAPTOP)
        assert new
        event, *_ = await recorded(auth, ada.user.id)
        assert (event.kind, event.origin.session_id) == (Kind.REAUTHENTICATED, new.session.id)

    async def test_theft_of_a_refresh_token_is_recorded(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        await auth.service.refresh_session(ada.refresh_token)
        auth.clock.advance(minutes=1)
        await fail(auth.service.refresh_session(ada.refresh_token))
        event, *_ = await recorded(auth, ada.user.id)
        assert event.kind is Kind.REFRESH_TOKEN_REUSED
        assert event.origin.session_id == ada.session.id

    async def test_events_of_a_deleted_account_stay(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        await auth.service.delete_account(ada.user.id, PASSWORD)
        assert await kinds(auth, ada.user.id) == [Kind.SIGNED_UP, Kind.ACCOUNT_DELETED]


class Refusals:
    async def test_wrong_password_is_recorded_with_its_device(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        auth.origin = Origin(PHONE)
        await fail(auth.service.sign_in(login="ada", password="wrong", scopes=None, device=PHONE))
        event, *_ = await recorded(auth, ada.user.id)
        assert (event.kind, event.reason) == (Kind.SIGN_IN_FAILED, Reason.WRONG_PASSWORD)
        assert event.origin == Origin(PHONE)

    async def test_account_without_a_password_has_a_reason_of_its_own(self, auth: FakeAuth) -> None:
        ada = await with_new_address(auth)
        code = (await newest(auth, MailKind.EMAIL_CHANGED)).code
        await auth.recovery.restore_email(code, NETWORK)
        await fail(sign_in(auth.service))
        event, *_ = await recorded(auth, ada.user.id)
        assert (event.kind, event.reason) == (Kind.SIGN_IN_FAILED, Reason.NO_PASSWORD)

    async def test_unknown_login_is_recorded_nowhere(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        await fail(sign_in(auth.service, "grace"))
        assert await kinds(auth, ada.user.id) == [Kind.SIGNED_UP]
        assert await recorded(auth, UUID(int=0)) == []

    async def test_wrong_password_in_a_session_is_recorded(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        auth.origin = Origin(LAPTOP, ada.session.id)
        await fail(auth.service.delete_account(ada.user.id, "wrong"))
        event, *_ = await recorded(auth, ada.user.id)
        assert (event.kind, event.reason) == (Kind.REAUTHENTICATION_FAILED, Reason.WRONG_PASSWORD)
        assert event.origin.session_id == ada.session.id

    async def test_leaked_password_is_recorded_once(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        auth.leaked |= {PASSWORD}
        for _ in range(2):
            await sign_in(auth.service)
        assert (await kinds(auth, ada.user.id)).count(Kind.PASSWORD_BREACHED) == 1

    async def test_throttled_attempts_are_recorded_once_in_an_hour(self, auth: FakeAuth) -> None:
        user_id = (await sign_up(auth.service)).user.id
        for _ in range(14):
            await fail(auth.service.delete_account(user_id, "wrong"))
        auth.clock.advance(minutes=59)
        for _ in range(12):
            await fail(auth.service.delete_account(user_id, "wrong"))
        throttled = Kind.REAUTHENTICATION_THROTTLED
        assert (await kinds(auth, user_id)).count(throttled) == 1
        auth.clock.advance(minutes=2)
        for _ in range(2):
            await fail(auth.service.delete_account(user_id, "wrong"))
        assert (await kinds(auth, user_id)).count(throttled) == 2
        assert (await kinds(auth, user_id)).count(Kind.REAUTHENTICATION_FAILED) == 20

    @pytest.mark.parametrize("second", ["ada", ADDRESS])
    async def test_throttled_sign_ins_are_recorded_once_in_an_hour(
        self, auth: FakeAuth, second: str
    ) -> None:
        """By the limit of the login, and by that of the account, which two logins share."""
        ada = await sign_up(auth.service)
        for login in ("ada", second):
            for _ in range(10):
                await fail(
                    auth.service.sign_in(login=login, password="no", scopes=None, device=PHONE)
                )
        failures = [Kind.SIGN_IN_FAILED] * 10
        expected = [Kind.SIGNED_UP, *failures, Kind.SIGN_IN_THROTTLED]
        assert await kinds(auth, ada.user.id) == expected
        newest, *_ = await recorded(auth, ada.user.id)
        assert newest.reason is None

    async def test_attempt_beyond_the_limit_of_its_network_alone_is_not_recorded(
        self, auth: FakeAuth
    ) -> None:
        """Else one network could write into the events of every account."""
        ada = await sign_up(auth.service)
        for number in range(Limits().sign_ins_per_network):
            await fail(
                auth.service.sign_in(login=f"x{number}", password="no", scopes=None, device=PHONE)
            )
        with pytest.raises(TooManyAttempts):
            await auth.service.sign_in(login="ada", password="no", scopes=None, device=PHONE)
        assert await kinds(auth, ada.user.id) == [Kind.SIGNED_UP]

    async def test_throttled_attempts_at_one_account_are_not_those_of_another(
        self, auth: FakeAuth
    ) -> None:
        for name in ("ada", "grace"):
            user_id = (await sign_up(auth.service, name)).user.id
            for _ in range(12):
                await fail(auth.service.delete_account(user_id, "wrong"))
            assert (await kinds(auth, user_id)).count(Kind.REAUTHENTICATION_THROTTLED) == 1


class Changes:
    async def test_verification_and_changes_of_the_address_are_recorded(
        self, auth: FakeAuth
    ) -> None:
        ada = await with_new_address(auth)
        code = (await newest(auth, MailKind.EMAIL_CHANGED)).code
        await auth.recovery.restore_email(code, NETWORK)
        assert await kinds(auth, ada.user.id) == [
            Kind.SIGNED_UP,
            Kind.EMAIL_VERIFIED,
            Kind.EMAIL_CHANGE_REQUESTED,
            Kind.EMAIL_CHANGED,
            Kind.EMAIL_RESTORED,
        ]

    async def test_changes_of_the_password_are_recorded(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        await auth.recovery.change_password(ada.user.id, ada.session.id, PASSWORD, NEW_PASSWORD)
        await auth.recovery.request_password_reset(ADDRESS, NETWORK)
        code = (await newest(auth, MailKind.RESET_PASSWORD)).code
        await auth.recovery.reset_password(code, PASSWORD, None, NETWORK)
        assert (await kinds(auth, ada.user.id))[2:] == [Kind.PASSWORD_CHANGED, Kind.PASSWORD_RESET]

    async def test_event_is_recorded_only_with_its_change(self, auth: FakeAuth) -> None:
        """The transaction fails after the event: another account verifies the address first."""
        ada, grace = await verified(auth), await verified(auth, "grace")
        for user in (ada, grace):
            await auth.recovery.change_email(user.user.id, NEW_ADDRESS, PASSWORD, NETWORK)
        codes = [m.code for m in await mails(auth) if m.kind is MailKind.CHANGE_EMAIL]
        await auth.recovery.verify_email(codes[0], None, NETWORK)
        with pytest.raises(EmailTaken):
            await auth.recovery.verify_email(codes[1], None, NETWORK)
        assert Kind.EMAIL_CHANGED in await kinds(auth, ada.user.id)
        assert Kind.EMAIL_CHANGED not in await kinds(auth, grace.user.id)


class Pages:
    async def test_pages_hold_every_event_once_the_newest_first(self, auth: FakeAuth) -> None:
        user_id = (await sign_up(auth.service)).user.id
        for _ in range(6):
            auth.clock.advance(seconds=1)
            await sign_in(auth.service)
        found: list[SecurityEvent] = []
        after = None
        while True:
            page = await auth.service.security_events(user_id, PageRequest(3, after))
            assert page.has_previous is (after is not None)
            found += page.items
            if not page.has_next:
                break
            after = page.items[-1].id
        assert found == await recorded(auth, user_id)
        assert [e.at for e in found] == sorted((e.at for e in found), reverse=True)
        assert len(found) == 7

    async def test_events_of_others_are_not_shown(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        grace = await sign_up(auth.service, "grace")
        assert await kinds(auth, grace.user.id) == [Kind.SIGNED_UP]
        assert await recorded(auth, uuid4()) == []
