"""The behaviour of sessions: their end, re-authentication, and how long they live.

Run with the fakes in `test_sessions.py` and with PostgreSQL in the integration tests.
"""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from subgraphs.auth.domain import Reauthenticated, SignedIn
from subgraphs.auth.errors import (
    InvalidCredentials,
    InvalidRefreshToken,
    ReauthenticationRequired,
    SessionNotFound,
    TooManyAttempts,
)
from tests.unit.auth.fakes import SCOPES, FakeAuth
from tests.unit.auth.service_suite import (
    LAPTOP,
    PASSWORD,
    PHONE,
    published,
    session_revoked,
    sign_in,
    sign_up,
)


class SignOut:
    @pytest.mark.asvs("7.4.1")
    async def test_sign_out_ends_this_session_and_no_other(self, auth: FakeAuth) -> None:
        first = await sign_up(auth.service)
        second = await sign_in(auth.service)
        ended = await auth.sessions.sign_out(first.user.id, first.session.id)
        assert list(ended) == auth.revocations.announced == [first.session.id]
        assert await published(auth) == [session_revoked(first.user.id, [first.session.id])]
        assert [s.id for s in await auth.service.sessions(first.user.id)] == [second.session.id]
        with pytest.raises(InvalidRefreshToken):
            await auth.service.refresh_session(first.refresh_token)

    async def test_second_sign_out_ends_nothing(self, auth: FakeAuth) -> None:
        first = await sign_up(auth.service)
        await auth.sessions.sign_out(first.user.id, first.session.id)
        assert list(await auth.sessions.sign_out(first.user.id, first.session.id)) == []
        assert len(await published(auth)) == 1

    @pytest.mark.asvs("7.4.1")
    async def test_sign_out_everywhere_ends_every_session_of_one_user(self, auth: FakeAuth) -> None:
        first = await sign_up(auth.service)
        second = await sign_in(auth.service)
        other = await sign_up(auth.service, "grace")
        ended = await auth.sessions.sign_out_everywhere(first.user.id, first.session.id)
        assert set(ended) == {first.session.id, second.session.id}
        assert await published(auth) == [session_revoked(first.user.id, ended)]
        assert len(await auth.service.sessions(other.user.id)) == 1

    async def test_revoke_session_ends_the_named_session(self, auth: FakeAuth) -> None:
        first = await sign_up(auth.service)
        second = await sign_in(auth.service)
        await auth.sessions.revoke_session(first.user.id, first.session.id, second.session.id)
        assert [s.id for s in await auth.service.sessions(first.user.id)] == [first.session.id]
        assert await published(auth) == [session_revoked(first.user.id, [second.session.id])]

    async def test_session_of_another_user_cannot_be_revoked(self, auth: FakeAuth) -> None:
        ada, grace = await sign_up(auth.service), await sign_up(auth.service, "grace")
        for session_id in (grace.session.id, uuid4()):
            with pytest.raises(SessionNotFound):
                await auth.sessions.revoke_session(ada.user.id, ada.session.id, session_id)
        assert len(await auth.service.sessions(grace.user.id)) == 1


async def reauthenticate(
    auth: FakeAuth, ada: SignedIn, password: str = PASSWORD
) -> Reauthenticated:
    opened = await auth.sessions.reauthenticate(ada.user.id, ada.session.id, password, LAPTOP)
    assert opened
    return opened


async def refreshed_daily(
    auth: FakeAuth, opened: SignedIn | Reauthenticated, days: int
) -> SignedIn:
    """Refresh a session each day for `days`, at least one."""
    for _ in range(days):
        auth.clock.advance(days=1)
        opened = await auth.service.refresh_session(opened.refresh_token)
    assert isinstance(opened, SignedIn)
    return opened


class Reauthenticate:
    @pytest.mark.asvs("7.2.4")
    async def test_new_session_replaces_the_one_of_the_request(self, auth: FakeAuth) -> None:
        old = await sign_up(auth.service)
        auth.clock.advance(hours=1)
        new = await reauthenticate(auth, old)
        sessions = await auth.service.sessions(old.user.id)
        assert [session.id for session in sessions] == [new.session.id]
        assert new.session.id != old.session.id
        assert new.session.created_at == auth.clock.now
        assert auth.access_tokens.verify(new.access_token.value).session_id == new.session.id
        await auth.service.refresh_session(new.refresh_token)

    @pytest.mark.asvs("7.2.4")
    async def test_tokens_of_the_previous_session_are_refused(self, auth: FakeAuth) -> None:
        old = await sign_up(auth.service)
        await reauthenticate(auth, old)
        assert auth.revocations.announced == [old.session.id]
        assert await published(auth) == [session_revoked(old.user.id, [old.session.id])]
        with pytest.raises(InvalidRefreshToken):
            await auth.service.refresh_session(old.refresh_token)

    async def test_other_sessions_continue(self, auth: FakeAuth) -> None:
        old = await sign_up(auth.service)
        phone = await sign_in(auth.service)
        await reauthenticate(auth, old)
        assert phone.session.id not in auth.revocations.announced
        await auth.service.refresh_session(phone.refresh_token)

    async def test_session_for_a_list_keeps_it(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        listed = await auth.service.sign_in(
            login="ada", password=PASSWORD, scopes=["account:write"], device=PHONE
        )
        new = await reauthenticate(auth, listed)
        assert new.session.scopes == {"account:write"}
        assert new.session.all_scopes is False

    async def test_session_for_all_scopes_stays_one_for_all(self, auth: FakeAuth) -> None:
        new = await reauthenticate(auth, await sign_up(auth.service))
        later = auth.declaring(SCOPES | {"likes:read"})
        refreshed = await later.refresh_session(new.refresh_token)
        assert refreshed.session.scopes == SCOPES | {"likes:read"}

    async def test_wrong_password_leaves_the_session(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        with pytest.raises(InvalidCredentials):
            await reauthenticate(auth, ada, "wrong password")
        assert auth.revocations.announced == []
        await auth.service.refresh_session(ada.refresh_token)

    async def test_guesses_are_limited(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        for _ in range(10):
            with pytest.raises(InvalidCredentials):
                await reauthenticate(auth, ada, "wrong password")
        with pytest.raises(TooManyAttempts):
            await reauthenticate(auth, ada)

    async def test_session_that_ended_meanwhile_opens_no_other(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        await auth.sessions.sign_out(ada.user.id, ada.session.id)
        opened = await auth.sessions.reauthenticate(ada.user.id, ada.session.id, PASSWORD, LAPTOP)
        assert opened is None
        assert await auth.service.sessions(ada.user.id) == []

    async def test_password_changed_meanwhile_opens_no_session(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)

        async def change() -> None:
            auth.passwords.before_verify = None
            await auth.recovery.change_password(
                ada.user.id, ada.session.id, PASSWORD, "incorrect donkey staple"
            )

        auth.passwords.before_verify = change
        with pytest.raises(InvalidCredentials):
            await reauthenticate(auth, ada)
        assert [s.id for s in await auth.service.sessions(ada.user.id)] == [ada.session.id]

    async def test_concurrent_ones_open_one_session(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        opened = await asyncio.gather(
            *(
                auth.sessions.reauthenticate(ada.user.id, ada.session.id, PASSWORD, LAPTOP)
                for _ in range(5)
            )
        )
        assert len([session for session in opened if session]) == 1
        assert len(await auth.service.sessions(ada.user.id)) == 1


@pytest.mark.asvs("7.5.2")
class RecentSession:
    """A session that was opened long ago ends itself only."""

    async def test_old_session_ends_no_other(self, auth: FakeAuth) -> None:
        ada, phone = await sign_up(auth.service), await sign_in(auth.service)
        auth.clock.advance(minutes=15, seconds=1)
        with pytest.raises(ReauthenticationRequired) as refused:
            await auth.sessions.revoke_session(ada.user.id, ada.session.id, phone.session.id)
        assert refused.value.max_age == timedelta(minutes=15)
        with pytest.raises(ReauthenticationRequired):
            await auth.sessions.sign_out_everywhere(ada.user.id, ada.session.id)
        assert len(await auth.service.sessions(ada.user.id)) == 2
        assert auth.revocations.announced == []

    async def test_session_of_fifteen_minutes_ends_others(self, auth: FakeAuth) -> None:
        ada, phone = await sign_up(auth.service), await sign_in(auth.service)
        auth.clock.advance(minutes=15)
        await auth.sessions.revoke_session(ada.user.id, ada.session.id, phone.session.id)
        assert auth.revocations.announced == [phone.session.id]

    async def test_refresh_does_not_make_a_session_recent(self, auth: FakeAuth) -> None:
        ada, phone = await sign_up(auth.service), await sign_in(auth.service)
        auth.clock.advance(minutes=16)
        await auth.service.refresh_session(ada.refresh_token)
        with pytest.raises(ReauthenticationRequired):
            await auth.sessions.revoke_session(ada.user.id, ada.session.id, phone.session.id)

    async def test_old_session_ends_others_after_reauthentication(self, auth: FakeAuth) -> None:
        ada, phone = await sign_up(auth.service), await sign_in(auth.service)
        auth.clock.advance(days=1)
        new = await reauthenticate(auth, ada)
        ended = await auth.sessions.sign_out_everywhere(ada.user.id, new.session.id)
        assert set(ended) == {phone.session.id, new.session.id}

    async def test_old_session_ends_itself(self, auth: FakeAuth) -> None:
        for end in (
            auth.sessions.sign_out,
            auth.sessions.sign_out_everywhere,
            lambda user_id, own: auth.sessions.revoke_session(user_id, own, own),
        ):
            ada = await sign_up(auth.service)
            auth.clock.advance(hours=1)
            assert list(await end(ada.user.id, ada.session.id)) == [ada.session.id]
            await auth.service.delete_account(ada.user.id, PASSWORD)

    async def test_unknown_session_needs_no_reauthentication(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        auth.clock.advance(hours=1)
        with pytest.raises(SessionNotFound):
            await auth.sessions.revoke_session(ada.user.id, ada.session.id, uuid4())


class SessionLifetime:
    """A session ends 30 days after its last refresh, and 90 days after its opening at the latest.

    A session of less is refreshed daily.
    """

    @pytest.mark.asvs("7.3.1")
    async def test_session_without_a_refresh_ends_after_thirty_days(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        auth.clock.advance(days=29, hours=23)
        ada = await auth.service.refresh_session(ada.refresh_token)
        auth.clock.advance(days=30)
        with pytest.raises(InvalidRefreshToken):
            await auth.service.refresh_session(ada.refresh_token)

    @pytest.mark.asvs("7.3.2")
    async def test_session_ends_after_ninety_days_however_often_refreshed(
        self, auth: FakeAuth
    ) -> None:
        opened = await sign_up(auth.service)
        last = await refreshed_daily(auth, opened, 89)
        auth.clock.advance(days=1)
        with pytest.raises(InvalidRefreshToken):
            await auth.service.refresh_session(last.refresh_token)
        assert await auth.service.sessions(opened.user.id) == []

    async def test_refresh_returns_the_new_end(self, auth: FakeAuth) -> None:
        opened = await sign_up(auth.service)
        refreshed = await refreshed_daily(auth, opened, 1)
        assert refreshed.session.expires_at == opened.session.expires_at + timedelta(days=1)
        refreshed = await refreshed_daily(auth, refreshed, 88)
        last_end = opened.session.created_at + timedelta(days=90)
        assert refreshed.session.expires_at == last_end.replace(microsecond=0)
        (stored,) = await auth.service.sessions(opened.user.id)
        assert stored.expires_at == refreshed.session.expires_at

    @pytest.mark.asvs("7.3.2")
    async def test_access_token_does_not_outlive_its_session(self, auth: FakeAuth) -> None:
        opened = await refreshed_daily(auth, await sign_up(auth.service), 89)
        auth.clock.advance(hours=23, minutes=50)
        last = await auth.service.refresh_session(opened.refresh_token)
        assert last.access_token.expires_at == last.session.expires_at
        assert last.session.expires_at - auth.clock.now <= timedelta(minutes=10)

    async def test_reauthentication_begins_the_ninety_days_again(self, auth: FakeAuth) -> None:
        ada = await refreshed_daily(auth, await sign_up(auth.service), 89)
        ada = await refreshed_daily(auth, await reauthenticate(auth, ada), 89)
        assert len(await auth.service.sessions(ada.user.id)) == 1

    async def test_shorter_limit_holds_for_sessions_that_are_open(self, auth: FakeAuth) -> None:
        ada = await refreshed_daily(auth, await sign_up(auth.service), 10)
        shorter = auth.declaring(SCOPES, session_max_lifetime=timedelta(days=10))
        assert await shorter.sessions(ada.user.id) == []
        with pytest.raises(InvalidRefreshToken):
            await shorter.refresh_session(ada.refresh_token)
