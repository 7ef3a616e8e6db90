"""The behaviour of the use cases.

Run with the fakes in `test_service.py` and with PostgreSQL in the integration tests, so that a fake
that differs from PostgreSQL fails.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.events import Event
from subgraphs.auth.consumer import handler
from subgraphs.auth.domain import Device, EmailSettings, Session, SignedIn
from subgraphs.auth.errors import (
    EmailTaken,
    InvalidCredentials,
    InvalidInput,
    InvalidRefreshToken,
    Problem,
    UsernameTaken,
)
from subgraphs.auth.service import AuthService
from tests.unit.auth.fakes import SCOPES, FakeAuth

MAIL_REQUESTED = "account-mail-requested"
PASSWORD = "correct horse battery"
LAPTOP = Device("Laptop", "192.0.2.1")
PHONE = Device("Phone", "192.0.2.2")


async def sign_up(service: AuthService, name: str = "ada") -> SignedIn:
    return await service.sign_up(
        username=name, email=f"{name}@example.com", password=PASSWORD, device=LAPTOP
    )


def delete_during_verification(auth: FakeAuth, user_id: UUID) -> None:
    """Delete the account while its password is verified."""

    async def delete() -> None:
        await auth.unit_of_work.transaction(lambda r: r.users.remove(user_id, auth.clock.now))

    auth.passwords.before_verify = delete


async def sign_in(service: AuthService, login: str = "ada") -> SignedIn:
    return await service.sign_in(login=login, password=PASSWORD, scopes=None, device=PHONE)


async def published(auth: FakeAuth) -> list[tuple[str, Any]]:
    """Return type and data of every event but those of a sign-up."""
    of_sign_up = {"user-registered", MAIL_REQUESTED}
    return [(e.type, e.data) for e in await auth.events() if e.type not in of_sign_up]


def session_revoked(user_id: UUID, session_ids: Sequence[UUID]) -> tuple[str, Any]:
    return "session-revoked", {"userId": str(user_id), "sessionIds": [str(s) for s in session_ids]}


class SignUp:
    async def test_sign_up_publishes_what_a_mail_needs(self, auth: FakeAuth) -> None:
        user = (await sign_up(auth.service)).user
        event = (await auth.events())[0]
        assert event == Event(
            id=event.id,
            source="/auth",
            type="user-registered",
            subject=str(user.id),
            time=user.created_at,
            data={
                "userId": str(user.id),
                "username": "ada",
                "email": "ada@example.com",
                "emailSettings": {"retweets": False},
            },
        )

    async def test_email_settings_are_in_the_event(self, auth: FakeAuth) -> None:
        await auth.service.sign_up(
            username="ada",
            email="ada@example.com",
            password=PASSWORD,
            device=LAPTOP,
            email_settings=EmailSettings(retweets=True),
        )
        event = (await auth.events())[0]
        assert event.data["emailSettings"] == {"retweets": True}

    async def test_refused_sign_up_publishes_nothing(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        with pytest.raises(UsernameTaken):
            await sign_up(auth.service)
        assert [e.type for e in await auth.events()] == ["user-registered", MAIL_REQUESTED]

    async def test_sign_up_opens_a_session_for_all_scopes(self, auth: FakeAuth) -> None:
        signed_in = await sign_up(auth.service)
        principal = auth.access_tokens.verify(signed_in.access_token.value)
        assert principal.user_id == signed_in.user.id
        assert principal.username == "ada"
        assert principal.scopes == SCOPES
        assert [s.device for s in await auth.service.sessions(signed_in.user.id)] == [LAPTOP]

    async def test_username_is_taken_in_any_case(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        with pytest.raises(UsernameTaken):
            await auth.service.sign_up(
                username="ADA", email="other@example.com", password=PASSWORD, device=LAPTOP
            )

    async def test_address_is_taken_in_any_case(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        with pytest.raises(EmailTaken):
            await auth.service.sign_up(
                username="other", email="Ada@EXAMPLE.com", password=PASSWORD, device=LAPTOP
            )

    async def test_white_space_around_username_and_address_is_removed(self, auth: FakeAuth) -> None:
        signed_in = await auth.service.sign_up(
            username=" ada ", email="\tada@example.com\n", password=PASSWORD, device=LAPTOP
        )
        assert (signed_in.user.username, signed_in.user.email) == ("ada", "ada@example.com")

    async def test_all_problems_are_reported_at_once(self, auth: FakeAuth) -> None:
        with pytest.raises(InvalidInput) as refused:
            await auth.service.sign_up(
                username="a!", email="nonsense", password="short", device=LAPTOP
            )
        assert [p.field for p in refused.value.problems] == ["username", "email", "password"]


LONG = "a" + "\u0300\u0316" * 60_000


class Snapshot:
    """The events from which a service without data builds its state."""

    @pytest.mark.asvs("6.2.4")
    async def test_common_password_is_refused(self, auth: FakeAuth) -> None:
        with pytest.raises(InvalidInput) as refused:
            await auth.service.sign_up(
                username="ada", email="ada@example.com", password="Password123", device=LAPTOP
            )
        message = "This password is among the most common ones. Choose another."
        assert refused.value.problems == [Problem("password", message)]

    async def test_snapshot_holds_registrations_and_deletions_by_id(self, auth: FakeAuth) -> None:
        users = [(await sign_up(auth.service, name)).user for name in ("ada", "grace", "joan")]
        await auth.service.delete_account(users[1].id, PASSWORD)
        events = {(e.subject, e.type): e for e in await auth.events()}
        kinds = ["user-registered", "user-deleted", "user-registered"]
        expected = [
            (user.id, events[str(user.id), kind]) for user, kind in zip(users, kinds, strict=True)
        ]
        assert await pages(auth.service, 10) == sorted(expected, key=lambda each: each[0])

    async def test_pages_hold_every_user_once(self, auth: FakeAuth) -> None:
        users = [(await sign_up(auth.service, f"user{n}")).user for n in range(5)]
        await auth.service.delete_account(users[2].id, PASSWORD)
        found = [user_id for user_id, _ in await pages(auth.service, 2)]
        assert found == sorted(user.id for user in users)

    async def test_changed_settings_have_the_time_of_the_change(self, auth: FakeAuth) -> None:
        ada = (await sign_up(auth.service)).user
        await change(auth, ada.id, EmailSettings(True, auth.clock.now))
        ((_, event),) = await pages(auth.service, 10)
        settings = event.data["emailSettings"]
        assert settings["retweets"] is True
        assert datetime.fromisoformat(settings["changedAt"]) == auth.clock.now

    @pytest.mark.parametrize(("seconds", "retweets"), [(-1, True), (0, False), (1, False)])
    async def test_older_change_of_settings_is_ignored(
        self, auth: FakeAuth, seconds: int, retweets: bool
    ) -> None:
        ada = (await sign_up(auth.service)).user
        await change(auth, ada.id, EmailSettings(True, auth.clock.now))
        later = auth.clock.now + timedelta(seconds=seconds)
        await change(auth, ada.id, EmailSettings(False, later))
        ((_, event),) = await pages(auth.service, 10)
        assert event.data["emailSettings"]["retweets"] is retweets

    async def test_settings_of_an_unknown_user_are_ignored(self, auth: FakeAuth) -> None:
        await change(auth, uuid4(), EmailSettings(True, auth.clock.now))
        assert await pages(auth.service, 10) == []


async def change(auth: FakeAuth, user_id: UUID, settings: EmailSettings) -> None:
    """Handle the event that the notifier publishes for a change."""
    event = Event(
        id=uuid4(),
        source="/notifier",
        type="email-settings-changed",
        subject=str(user_id),
        time=settings.changed_at or auth.clock.now,
        data={"userId": str(user_id), "retweets": settings.retweets},
    )
    await handler(auth.service)(event)


async def pages(service: AuthService, size: int) -> list[tuple[UUID, Event]]:
    """Return the whole snapshot, read in pages of `size`."""
    found: list[tuple[UUID, Event]] = []
    while page := await service.snapshot(found[-1][0] if found else UUID(int=0), size):
        found += page
    return found


class SignIn:
    async def test_login_and_password_beyond_any_length_are_refused(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        for login, password in ((LONG, PASSWORD), (f"{LONG}@a.com", PASSWORD), ("ada", LONG)):
            with pytest.raises(InvalidCredentials):
                await auth.service.sign_in(
                    login=login, password=password, scopes=None, device=PHONE
                )
        with pytest.raises(InvalidInput) as refused:
            await auth.service.sign_up(
                username=LONG, email=f"{LONG}@a.com", password=LONG, device=LAPTOP
            )
        assert [p.field for p in refused.value.problems] == ["username", "email", "password"]

    @pytest.mark.parametrize("login", ["ada", "ADA", "ada@example.com", "Ada@Example.com"])
    async def test_login_is_the_username_or_the_address(self, auth: FakeAuth, login: str) -> None:
        signed_up = await sign_up(auth.service)
        assert (await sign_in(auth.service, login)).user.id == signed_up.user.id

    @pytest.mark.parametrize("login", ["ada ", " ada", "ada@example.com ", "\tADA@example.com\n"])
    async def test_white_space_around_the_login_is_removed(
        self, auth: FakeAuth, login: str
    ) -> None:
        user = (await sign_up(auth.service)).user
        assert (await sign_in(auth.service, login)).user == user

    @pytest.mark.asvs("6.2.8")
    async def test_white_space_around_the_password_counts(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        with pytest.raises(InvalidCredentials):
            await auth.service.sign_in(
                login="ada", password=f"{PASSWORD} ", scopes=None, device=PHONE
            )

    @pytest.mark.asvs("6.2.8", "6.2.9")
    async def test_every_character_of_the_longest_password_and_its_case_count(
        self, auth: FakeAuth
    ) -> None:
        longest = "Ab" * 64
        await auth.service.sign_up(
            username="ada", email="ada@example.com", password=longest, device=LAPTOP
        )
        for wrong in (longest[:-1], longest[:72], longest.lower(), longest.swapcase()):
            with pytest.raises(InvalidCredentials):
                await auth.service.sign_in(login="ada", password=wrong, scopes=None, device=PHONE)
        await auth.service.sign_in(login="ada", password=longest, scopes=None, device=PHONE)

    @pytest.mark.asvs("6.2.10")
    async def test_password_is_valid_after_ten_years(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        auth.clock.advance(days=3_653)
        await sign_in(auth.service)

    @pytest.mark.asvs("7.1.2", "7.2.2")
    async def test_sign_in_opens_another_session(self, auth: FakeAuth) -> None:
        first = await sign_up(auth.service)
        auth.clock.advance(seconds=1)
        second = await sign_in(auth.service)
        sessions = await auth.service.sessions(first.user.id)
        assert [s.id for s in sessions] == [second.session.id, first.session.id]
        assert sessions[0].device == PHONE

    @pytest.mark.parametrize(
        "login",
        ["ada", "grace", "grace@example.com", "@", "", "a\0b", "a\0@b.com", "\u0300" * 5000],
    )
    async def test_wrong_password_and_unknown_login_are_the_same_error(
        self, auth: FakeAuth, login: str
    ) -> None:
        await sign_up(auth.service)
        with pytest.raises(InvalidCredentials):
            await auth.service.sign_in(
                login=login, password="wrong password", scopes=None, device=PHONE
            )

    async def test_session_for_a_list_has_the_requested_scopes(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        signed_in = await auth.service.sign_in(
            login="ada", password=PASSWORD, scopes=["tweets:read"], device=PHONE
        )
        principal = auth.access_tokens.verify(signed_in.access_token.value)
        assert principal.scopes == {"tweets:read"}

    @pytest.mark.parametrize("scopes", [[], ["tweets:read", "root"]])
    async def test_empty_or_unknown_scopes_are_refused(
        self, auth: FakeAuth, scopes: list[str]
    ) -> None:
        await sign_up(auth.service)
        with pytest.raises(InvalidInput):
            await auth.service.sign_in(login="ada", password=PASSWORD, scopes=scopes, device=PHONE)

    async def test_account_deleted_meanwhile_opens_no_session(self, auth: FakeAuth) -> None:
        delete_during_verification(auth, (await sign_up(auth.service)).user.id)
        with pytest.raises(InvalidCredentials):
            await sign_in(auth.service)

    async def test_password_may_be_typed_in_another_unicode_form(self, auth: FakeAuth) -> None:
        await auth.service.sign_up(
            username="zoe", email="zoe@example.com", password="caf\u00e9 cr\u00e8me", device=LAPTOP
        )
        await auth.service.sign_in(
            login="zoe", password="cafe\u0301 cre\u0300me", scopes=None, device=PHONE
        )


class RefreshSession:
    @pytest.mark.asvs("7.2.2")
    async def test_refresh_returns_new_tokens_for_the_same_session(self, auth: FakeAuth) -> None:
        first = await sign_up(auth.service)
        auth.clock.advance(minutes=10)
        second = await auth.service.refresh_session(first.refresh_token)
        assert second.session.id == first.session.id
        assert second.refresh_token != first.refresh_token
        assert second.access_token.expires_at > first.access_token.expires_at

    async def test_refresh_prolongs_the_session(self, auth: FakeAuth) -> None:
        token = (await sign_up(auth.service)).refresh_token
        for _ in range(3):
            auth.clock.advance(days=29)
            token = (await auth.service.refresh_session(token)).refresh_token

    @pytest.mark.asvs("7.3.1")
    async def test_expired_session_cannot_be_refreshed(self, auth: FakeAuth) -> None:
        signed_in = await sign_up(auth.service)
        auth.clock.advance(days=30)
        with pytest.raises(InvalidRefreshToken):
            await auth.service.refresh_session(signed_in.refresh_token)
        assert await auth.service.sessions(signed_in.user.id) == []

    async def test_repeated_exchange_returns_the_same_token(self, auth: FakeAuth) -> None:
        first = await sign_up(auth.service)
        lost = await auth.service.refresh_session(first.refresh_token)
        auth.clock.advance(seconds=30)
        again = await auth.service.refresh_session(first.refresh_token)
        assert again.refresh_token == lost.refresh_token
        await auth.service.refresh_session(again.refresh_token)

    async def test_concurrent_exchanges_return_the_same_token(self, auth: FakeAuth) -> None:
        first = await sign_up(auth.service)
        both = await asyncio.gather(
            *(auth.service.refresh_session(first.refresh_token) for _ in range(8))
        )
        assert len({answer.refresh_token for answer in both}) == 1

    @pytest.mark.asvs("7.4.1")
    async def test_token_sent_again_late_ends_the_session(self, auth: FakeAuth) -> None:
        first = await sign_up(auth.service)
        second = await auth.service.refresh_session(first.refresh_token)
        auth.clock.advance(seconds=31)
        with pytest.raises(InvalidRefreshToken):
            await auth.service.refresh_session(first.refresh_token)
        with pytest.raises(InvalidRefreshToken):
            await auth.service.refresh_session(second.refresh_token)
        assert auth.revocations.announced == [first.session.id]
        assert await published(auth) == [session_revoked(first.user.id, [first.session.id])]

    async def test_token_whose_successor_was_used_ends_the_session(self, auth: FakeAuth) -> None:
        first = await sign_up(auth.service)
        second = await auth.service.refresh_session(first.refresh_token)
        await auth.service.refresh_session(second.refresh_token)
        with pytest.raises(InvalidRefreshToken):
            await auth.service.refresh_session(first.refresh_token)
        assert auth.revocations.announced == [first.session.id]

    async def test_unknown_token_ends_no_session(self, auth: FakeAuth) -> None:
        signed_in = await sign_up(auth.service)
        with pytest.raises(InvalidRefreshToken):
            await auth.service.refresh_session("nonsense")
        assert len(await auth.service.sessions(signed_in.user.id)) == 1
        assert auth.revocations.announced == []


LIKES = frozenset({"likes:read"})


class ScopesOverTime:
    """The scopes of sessions after a release that declares others."""

    async def refreshed(self, auth: FakeAuth, token: str, declared: frozenset[str]) -> SignedIn:
        """Refresh; the scopes are the same in token, answer and list of sessions."""
        service = auth.declaring(declared)
        signed_in = await service.refresh_session(token)
        scopes = signed_in.session.scopes
        assert auth.access_tokens.verify(signed_in.access_token.value).scopes == scopes
        newest, *_ = await service.sessions(signed_in.user.id)
        assert newest.scopes == scopes
        return signed_in

    async def test_new_scope_comes_with_the_next_refresh(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        auth.clock.advance(minutes=1)
        opened = await sign_in(auth.service)
        signed_in = await self.refreshed(auth, opened.refresh_token, SCOPES | LIKES)
        assert signed_in.session.scopes == SCOPES | LIKES

    async def test_account_that_just_signed_up_gets_a_new_scope(self, auth: FakeAuth) -> None:
        opened = await sign_up(auth.service)
        signed_in = await self.refreshed(auth, opened.refresh_token, SCOPES | LIKES)
        assert signed_in.session.scopes == SCOPES | LIKES

    async def test_repeated_exchange_has_the_new_scope_too(self, auth: FakeAuth) -> None:
        token = (await sign_up(auth.service)).refresh_token
        await auth.service.refresh_session(token)
        signed_in = await self.refreshed(auth, token, SCOPES | LIKES)
        assert signed_in.session.scopes == SCOPES | LIKES

    @pytest.mark.parametrize("scopes", [["tweets:read"], sorted(SCOPES)])
    async def test_session_with_a_list_keeps_it(self, auth: FakeAuth, scopes: list[str]) -> None:
        await sign_up(auth.service)
        auth.clock.advance(minutes=1)
        opened = await auth.service.sign_in(
            login="ada", password=PASSWORD, scopes=scopes, device=PHONE
        )
        signed_in = await self.refreshed(auth, opened.refresh_token, SCOPES | LIKES)
        assert signed_in.session.scopes == set(scopes)

    async def test_scope_that_is_no_longer_declared_disappears(self, auth: FakeAuth) -> None:
        token = (await sign_up(auth.service)).refresh_token
        fewer = SCOPES - {"tweets:write"}
        assert (await self.refreshed(auth, token, fewer)).session.scopes == fewer

    async def test_scope_of_a_list_returns_with_its_declaration(self, auth: FakeAuth) -> None:
        """A session keeps its scopes over a release that is rolled back."""
        await sign_up(auth.service)
        auth.clock.advance(minutes=1)
        listed = ["tweets:read", "tweets:write"]
        token = (
            await auth.service.sign_in(login="ada", password=PASSWORD, scopes=listed, device=PHONE)
        ).refresh_token
        without = await self.refreshed(auth, token, SCOPES - {"tweets:write"})
        assert without.session.scopes == {"tweets:read"}
        again = await self.refreshed(auth, without.refresh_token, SCOPES)
        assert again.session.scopes == set(listed)

    async def test_session_may_have_no_scope_left(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        auth.clock.advance(minutes=1)
        opened = await auth.service.sign_in(
            login="ada", password=PASSWORD, scopes=["tweets:read"], device=PHONE
        )
        signed_in = await self.refreshed(auth, opened.refresh_token, frozenset({"account:read"}))
        assert signed_in.session.scopes == frozenset()

    @pytest.mark.parametrize(
        ("stored", "later"),
        [(SCOPES, SCOPES | LIKES), (frozenset({"tweets:read"}), frozenset({"tweets:read"}))],
    )
    async def test_next_refresh_decides_whether_an_older_session_has_all_scopes(
        self, auth: FakeAuth, stored: frozenset[str], later: frozenset[str]
    ) -> None:
        user = (await sign_up(auth.service)).user
        auth.clock.advance(minutes=1)
        now = auth.clock.now
        end = now + timedelta(days=30)
        session = Session(uuid4(), user.id, stored, PHONE, now, now, end, all_scopes=None)
        tokens = auth.service.refresh_tokens
        token = tokens.first()
        await auth.unit_of_work.transaction(
            lambda r: r.sessions.open(session, user, tokens.hash(token))
        )
        decided = await self.refreshed(auth, token, SCOPES)
        assert decided.session.scopes == stored
        then = await self.refreshed(auth, decided.refresh_token, SCOPES | LIKES)
        assert then.session.scopes == later


class DeleteAccount:
    @pytest.mark.asvs("7.4.2")
    async def test_deletion_removes_the_account_and_ends_its_sessions(self, auth: FakeAuth) -> None:
        first = await sign_up(auth.service)
        second = await sign_in(auth.service)
        await auth.service.delete_account(first.user.id, PASSWORD)
        assert set(auth.revocations.announced) == {first.session.id, second.session.id}
        with pytest.raises(InvalidCredentials):
            await sign_in(auth.service)
        assert await auth.service.users([first.user.id]) == {}
        assert await published(auth) == [
            session_revoked(first.user.id, auth.revocations.announced),
            ("user-deleted", {"userId": str(first.user.id)}),
        ]
        subjects = {e.subject for e in await auth.events() if e.type != MAIL_REQUESTED}
        assert subjects == {str(first.user.id)}

    async def test_account_deleted_meanwhile_publishes_nothing(self, auth: FakeAuth) -> None:
        user = (await sign_up(auth.service)).user
        delete_during_verification(auth, user.id)
        with pytest.raises(InvalidCredentials):
            await auth.service.delete_account(user.id, PASSWORD)
        assert await published(auth) == []
        assert auth.revocations.announced == []

    async def test_concurrent_deletions_publish_one_event(self, auth: FakeAuth) -> None:
        user = (await sign_up(auth.service)).user
        await asyncio.gather(
            *(auth.service.delete_account(user.id, PASSWORD) for _ in range(5)),
            return_exceptions=True,
        )
        assert [kind for kind, _ in await published(auth)] == ["session-revoked", "user-deleted"]

    async def test_ended_sessions_stay_known_without_the_account(self, auth: FakeAuth) -> None:
        signed_in = await sign_up(auth.service)
        await auth.service.delete_account(signed_in.user.id, PASSWORD)
        since = auth.clock.now - timedelta(minutes=1)
        ended = await auth.unit_of_work.read(lambda r: r.sessions.ended_since(since))
        assert list(ended) == [signed_in.session.id]

    @pytest.mark.asvs("7.5.3")
    async def test_wrong_password_deletes_nothing(self, auth: FakeAuth) -> None:
        signed_in = await sign_up(auth.service)
        with pytest.raises(InvalidCredentials):
            await auth.service.delete_account(signed_in.user.id, "wrong password")
        assert await published(auth) == []
        assert len(await auth.service.sessions(signed_in.user.id)) == 1

    async def test_username_and_address_are_free_again(self, auth: FakeAuth) -> None:
        signed_in = await sign_up(auth.service)
        await auth.service.delete_account(signed_in.user.id, PASSWORD)
        await sign_up(auth.service)
