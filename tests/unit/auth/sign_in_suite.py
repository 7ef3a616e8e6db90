"""The behaviour of the limits on sign-in, sign-up and refresh.

Run with the fakes in `test_sign_in.py` and with PostgreSQL in the integration tests.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from subgraphs.auth.domain import Device, MailKind, ReportedSignIn, SignedIn
from subgraphs.auth.errors import (
    InvalidCredentials,
    InvalidInput,
    InvalidRefreshToken,
    TooManyAttempts,
    UsernameTaken,
)
from subgraphs.auth.limits import Limits
from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.recovery_suite import NEW_PASSWORD, kinds, newest, verified
from tests.unit.auth.service_suite import PASSWORD, sign_up

LIMITS = Limits()
STRANGER = "203.0.113.9"


async def guess(
    auth: FakeAuth, login: str = "ada", password: str = "wrong password", **given: Any
) -> SignedIn:
    """Sign in from the network of a stranger."""
    device = Device("Guesser", given.pop("address", STRANGER))
    return await auth.service.sign_in(
        login=login, password=password, scopes=None, device=device, **given
    )


async def guesses(auth: FakeAuth, login: str = "ada", **given: Any) -> int:
    """Guess until an attempt is refused. Returns how many were answered as wrong."""
    for number in range(1_000):
        try:
            await guess(auth, login, **given)
        except InvalidCredentials:
            continue
        except TooManyAttempts:
            return number
    raise AssertionError("no attempt is refused")


def reached(auth: FakeAuth) -> int:
    """Return how many passwords were compared with the hash of an account."""
    return sum(password_hash is not None for password_hash in auth.passwords.verified)


@pytest.mark.asvs("6.3.1")
class SignInThrottle:
    async def test_guesses_are_limited_for_a_login(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        assert await guesses(auth) == LIMITS.passwords_per_account
        with pytest.raises(TooManyAttempts):
            await guess(auth, password=PASSWORD)

    async def test_refused_attempt_verifies_no_password(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        await guesses(auth)
        assert len(auth.passwords.verified) == LIMITS.passwords_per_account

    async def test_attempts_are_possible_again_after_the_wait(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        await guesses(auth)
        with pytest.raises(TooManyAttempts) as refusal:
            await guess(auth)
        auth.clock.now += refusal.value.retry_after
        assert (await guess(auth, password=PASSWORD)).user.username == "ada"

    @pytest.mark.parametrize("login", ["ADA", " ada ", "Ada"])
    async def test_spelling_of_a_login_gives_no_further_attempts(
        self, auth: FakeAuth, login: str
    ) -> None:
        await sign_up(auth.service)
        await guesses(auth)
        with pytest.raises(TooManyAttempts):
            await guess(auth, login)

    async def test_username_and_address_share_the_attempts_of_their_account(
        self, auth: FakeAuth
    ) -> None:
        await sign_up(auth.service)
        await guesses(auth, "ada")
        await guesses(auth, "ada@example.com")
        assert reached(auth) == LIMITS.passwords_per_account

    async def test_answers_do_not_reveal_that_two_logins_have_one_account(
        self, auth: FakeAuth
    ) -> None:
        await sign_up(auth.service)
        await guesses(auth, "ada")
        of_account = await guesses(auth, "ada@example.com")
        assert of_account == await guesses(auth, "nobody@example.com")

    async def test_right_password_beyond_the_attempts_of_the_account_is_wrong(
        self, auth: FakeAuth
    ) -> None:
        await sign_up(auth.service)
        await guesses(auth, "ada")
        with pytest.raises(InvalidCredentials):
            await guess(auth, "ada@example.com", PASSWORD)

    @pytest.mark.parametrize("login", ["grace", "grace@example.com", "no login at all", ""])
    async def test_unknown_login_is_limited_like_a_known_one(
        self, auth: FakeAuth, login: str
    ) -> None:
        await sign_up(auth.service)
        waits = []
        for each in ("ada", login):
            assert await guesses(auth, each) == LIMITS.passwords_per_account
            with pytest.raises(TooManyAttempts) as refusal:
                await guess(auth, each)
            waits.append(refusal.value.retry_after)
        assert waits[0] == waits[1]

    async def test_unknown_login_takes_the_steps_of_a_known_one(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        steps: list[list[Any]] = []
        for login in ("ada", "grace"):
            before = len(auth.throttle.taken)
            with pytest.raises(InvalidCredentials):
                await guess(auth, login)
            kinds = [budget.kind for budget in auth.throttle.taken[before:]]
            steps.append(kinds)
        assert steps[0] == steps[1] == ["sign-in.login", "sign-in.network", "sign-in.account"]

    async def test_many_logins_from_one_network_are_limited(self, auth: FakeAuth) -> None:
        for number in range(LIMITS.sign_ins_per_network):
            with pytest.raises(InvalidCredentials):
                await guess(auth, f"user{number}")
        with pytest.raises(TooManyAttempts):
            await guess(auth, "another")
        with pytest.raises(InvalidCredentials):
            await guess(auth, "another", address="198.51.100.1")

    async def test_addresses_of_one_ipv6_network_are_counted_together(self, auth: FakeAuth) -> None:
        for number in range(LIMITS.sign_ins_per_network):
            with pytest.raises(InvalidCredentials):
                await guess(auth, f"user{number}", address=f"2001:db8::{number:x}")
        with pytest.raises(TooManyAttempts):
            await guess(auth, "another", address="2001:db8::ffff")

    async def test_many_networks_share_the_attempts_of_an_account(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        for number in range(50):
            with pytest.raises((InvalidCredentials, TooManyAttempts)):
                await guess(auth, address=f"198.51.100.{number}")
        assert reached(auth) == LIMITS.passwords_per_account

    async def test_unknown_scopes_take_no_attempt(self, auth: FakeAuth) -> None:
        with pytest.raises(InvalidInput):
            await auth.service.sign_in(
                login="ada", password=PASSWORD, scopes=["root"], device=Device("", STRANGER)
            )
        assert auth.throttle.taken == []


@pytest.mark.asvs("6.3.1")
class DeviceTokens:
    async def test_known_device_signs_in_while_strangers_are_refused(self, auth: FakeAuth) -> None:
        known = await sign_up(auth.service)
        await guesses(auth)
        again = await guess(auth, password=PASSWORD, device_token=known.device_token)
        assert again.user == known.user

    async def test_known_device_signs_in_from_a_network_that_is_refused(
        self, auth: FakeAuth
    ) -> None:
        known = await sign_up(auth.service)
        for number in range(LIMITS.sign_ins_per_network):
            with pytest.raises(InvalidCredentials):
                await guess(auth, f"user{number}")
        await guess(auth, password=PASSWORD, device_token=known.device_token)

    async def test_attempts_of_a_device_are_its_own(self, auth: FakeAuth) -> None:
        known = await sign_up(auth.service)
        token = known.device_token
        assert await guesses(auth, device_token=token) == LIMITS.passwords_per_account
        with pytest.raises(TooManyAttempts):
            await guess(auth, "ada@example.com", PASSWORD, device_token=token)
        stranger = await guess(auth, password=PASSWORD)
        await guess(auth, password=PASSWORD, device_token=stranger.device_token)

    async def test_every_sign_in_returns_a_token(self, auth: FakeAuth) -> None:
        token = (await sign_up(auth.service)).device_token
        for _ in range(3 * LIMITS.passwords_per_account):
            token = (await guess(auth, password=PASSWORD, device_token=token)).device_token

    async def test_refresh_returns_the_token_of_the_session(self, auth: FakeAuth) -> None:
        first = await sign_up(auth.service)
        second = await auth.service.refresh_session(first.refresh_token)
        assert second.device_token == first.device_token

    async def test_token_outlives_its_session(self, auth: FakeAuth) -> None:
        known = await sign_up(auth.service)
        await auth.sessions.sign_out_everywhere(known.user.id, known.session.id)
        await guesses(auth)
        await guess(auth, password=PASSWORD, device_token=known.device_token)

    @pytest.mark.parametrize(
        "token", ["", "x", "x" * 64, "=" * 64, "\ud800", "é" * 64, "x" * 10_000]
    )
    async def test_device_with_an_invalid_token_is_a_stranger(
        self, auth: FakeAuth, token: str
    ) -> None:
        await sign_up(auth.service)
        await guesses(auth, device_token=token)
        with pytest.raises(TooManyAttempts):
            await guess(auth, password=PASSWORD)

    async def test_token_of_another_user_is_invalid(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        thief = await sign_up(auth.service, "thief")
        await guesses(auth, device_token=thief.device_token)
        with pytest.raises(TooManyAttempts):
            await guess(auth, password=PASSWORD)

    async def test_token_does_not_reveal_whether_another_login_exists(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        token = (await sign_up(auth.service, "thief")).device_token
        for login in ("ada", "grace"):
            assert await guesses(auth, login, device_token=token) == LIMITS.passwords_per_account

    async def test_change_of_the_password_voids_earlier_tokens(self, auth: FakeAuth) -> None:
        old = await sign_up(auth.service)
        changed = await auth.recovery.change_password(
            old.user.id, old.session.id, PASSWORD, NEW_PASSWORD
        )
        await guesses(auth)
        for token in (old.device_token, (await sign_up(auth.service, "other")).device_token):
            with pytest.raises(TooManyAttempts):
                await guess(auth, password=NEW_PASSWORD, device_token=token)
        await guess(auth, password=NEW_PASSWORD, device_token=changed.device_token)

    async def test_session_that_changed_the_password_refreshes_its_token(
        self, auth: FakeAuth
    ) -> None:
        ada = await sign_up(auth.service)
        await auth.recovery.change_password(ada.user.id, ada.session.id, PASSWORD, NEW_PASSWORD)
        refreshed = await auth.service.refresh_session(ada.refresh_token)
        assert refreshed.device_token != ada.device_token
        await guesses(auth)
        await guess(auth, password=NEW_PASSWORD, device_token=refreshed.device_token)

    async def test_reset_of_the_password_admits_its_device_during_an_attack(
        self, auth: FakeAuth
    ) -> None:
        await verified(auth)
        await guesses(auth)
        await auth.recovery.request_password_reset("ada@example.com", STRANGER)
        mail = await newest(auth, MailKind.RESET_PASSWORD)
        changed = await auth.recovery.reset_password(mail.code, NEW_PASSWORD, None, STRANGER)
        await guess(auth, password=NEW_PASSWORD, device_token=changed.device_token)


@pytest.mark.asvs("6.3.5")
class NewDevice:
    async def test_sign_in_on_a_new_device_is_mailed(self, auth: FakeAuth) -> None:
        await verified(auth)
        auth.clock.advance(hours=1)
        await sign_in_with(auth, "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Firefox/132.0")
        mail = await newest(auth, MailKind.NEW_SIGN_IN)
        assert (mail.address, mail.username, mail.code) == ("ada@example.com", "ada", "")
        assert mail.sign_in == ReportedSignIn(auth.clock.now, "Firefox", "Linux")

    async def test_unknown_user_agent_is_mailed_without_names(self, auth: FakeAuth) -> None:
        await verified(auth)
        await sign_in_with(auth, "")
        mail = await newest(auth, MailKind.NEW_SIGN_IN)
        assert mail.sign_in == ReportedSignIn(auth.clock.now, None, None)

    async def test_known_device_is_not_mailed(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        await guess(auth, password=PASSWORD, device_token=ada.device_token)
        assert await kinds(auth) == []

    async def test_device_of_another_user_is_new(self, auth: FakeAuth) -> None:
        await verified(auth)
        thief = await sign_up(auth.service, "thief")
        await guess(auth, password=PASSWORD, device_token=thief.device_token)
        assert MailKind.NEW_SIGN_IN in await kinds(auth)

    async def test_sign_up_is_not_mailed(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        assert await kinds(auth) == [MailKind.VERIFY_EMAIL]

    async def test_unverified_address_gets_no_mail(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        await guess(auth, password=PASSWORD)
        assert await kinds(auth) == [MailKind.VERIFY_EMAIL]

    async def test_failed_sign_in_is_not_mailed(self, auth: FakeAuth) -> None:
        await verified(auth)
        await guesses(auth)
        assert await kinds(auth) == []

    async def test_mails_can_be_switched_off(self, auth: FakeAuth) -> None:
        await verified(auth)
        policy = replace(auth.service.policy, new_device_mails=False)
        auth.service = replace(auth.service, policy=policy)
        await guess(auth, password=PASSWORD)
        assert await kinds(auth) == []


async def sign_in_with(auth: FakeAuth, user_agent: str) -> None:
    device = Device(user_agent, STRANGER)
    await auth.service.sign_in(login="ada", password=PASSWORD, scopes=None, device=device)


class SignUpThrottle:
    async def _sign_up(self, auth: FakeAuth, name: str, address: str = STRANGER) -> None:
        await auth.service.sign_up(
            username=name,
            email=f"{name}@example.com",
            password=PASSWORD,
            device=Device("", address),
        )

    async def test_sign_ups_from_one_network_are_limited(self, auth: FakeAuth) -> None:
        await self._sign_up(auth, "ada")
        for _ in range(LIMITS.sign_ups_per_network - 1):
            with pytest.raises(UsernameTaken):
                await self._sign_up(auth, "ada")
        hashed = len(auth.passwords.hashed)
        with pytest.raises(TooManyAttempts):
            await self._sign_up(auth, "grace")
        assert len(auth.passwords.hashed) == hashed
        await self._sign_up(auth, "grace", "198.51.100.1")

    async def test_invalid_input_takes_no_attempt(self, auth: FakeAuth) -> None:
        with pytest.raises(InvalidInput):
            await self._sign_up(auth, "!")
        assert auth.throttle.taken == []


class RefreshThrottle:
    async def test_invalid_refresh_tokens_from_one_network_are_limited(
        self, auth: FakeAuth
    ) -> None:
        for number in range(LIMITS.refreshes_per_network):
            with pytest.raises(InvalidRefreshToken):
                await auth.service.refresh_session(f"token {number}", STRANGER)
        with pytest.raises(TooManyAttempts) as refusal:
            await auth.service.refresh_session("another", STRANGER)
        assert refusal.value.retry_after == timedelta(minutes=1)

    async def test_valid_refresh_token_is_exchanged_whatever_its_network_tries(
        self, auth: FakeAuth
    ) -> None:
        signed_in = await sign_up(auth.service)
        for number in range(LIMITS.refreshes_per_network + 1):
            with pytest.raises((InvalidRefreshToken, TooManyAttempts)):
                await auth.service.refresh_session(f"token {number}", STRANGER)
        again = await auth.service.refresh_session(signed_in.refresh_token, STRANGER)
        assert again.session.id == signed_in.session.id

    async def test_stolen_token_ends_the_session_although_attempts_are_used_up(
        self, auth: FakeAuth
    ) -> None:
        signed_in = await sign_up(auth.service)
        second = await auth.service.refresh_session(signed_in.refresh_token)
        await auth.service.refresh_session(second.refresh_token)
        for number in range(LIMITS.refreshes_per_network):
            with pytest.raises(InvalidRefreshToken):
                await auth.service.refresh_session(f"token {number}", STRANGER)
        with pytest.raises(TooManyAttempts):
            await auth.service.refresh_session(signed_in.refresh_token, STRANGER)
        assert auth.revocations.announced == [signed_in.session.id]


class BreachedPassword:
    @pytest.mark.asvs("6.2.12")
    async def test_leaked_password_is_refused_for_a_new_account_and_as_a_new_one(
        self, auth: FakeAuth
    ) -> None:
        ada = await verified(auth)
        auth.leaked |= {NEW_PASSWORD}
        with pytest.raises(InvalidInput, match="common"):
            await auth.service.sign_up(
                username="grace",
                email="grace@example.com",
                password=NEW_PASSWORD,
                device=Device("Guesser", STRANGER),
            )
        with pytest.raises(InvalidInput, match="common"):
            await auth.recovery.change_password(ada.user.id, ada.session.id, PASSWORD, NEW_PASSWORD)
        await auth.recovery.request_password_reset("ada@example.com", STRANGER)
        mail = await newest(auth, MailKind.RESET_PASSWORD)
        with pytest.raises(InvalidInput, match="common"):
            await auth.recovery.reset_password(mail.code, NEW_PASSWORD, None, STRANGER)

    async def test_sign_in_succeeds_and_says_that_the_password_leaked(self, auth: FakeAuth) -> None:
        await verified(auth)
        assert not (await guess(auth, password=PASSWORD)).password_breached
        auth.leaked |= {PASSWORD}
        signed_in = await guess(auth, password=PASSWORD)
        assert signed_in.password_breached
        refreshed = await auth.service.refresh_session(signed_in.refresh_token)
        assert not refreshed.password_breached

    async def test_leak_is_mailed_once_for_each_password(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        auth.leaked |= {PASSWORD}
        for _ in range(3):
            await guess(auth, password=PASSWORD, device_token=ada.device_token)
        assert await kinds(auth) == [MailKind.PASSWORD_BREACHED]
        await auth.recovery.change_password(ada.user.id, ada.session.id, PASSWORD, NEW_PASSWORD)
        auth.leaked |= {NEW_PASSWORD}
        for _ in range(2):
            await guess(auth, password=NEW_PASSWORD)
        assert (await kinds(auth)).count(MailKind.PASSWORD_BREACHED) == 2

    async def test_wrong_guess_of_a_leaked_password_is_no_news(self, auth: FakeAuth) -> None:
        await verified(auth)
        auth.leaked |= {"wrong password"}
        with pytest.raises(InvalidCredentials):
            await guess(auth)
        assert await kinds(auth) == []

    async def test_unverified_address_gets_no_mail_until_it_is_verified(
        self, auth: FakeAuth
    ) -> None:
        await sign_up(auth.service)
        auth.leaked |= {PASSWORD}
        await guess(auth, password=PASSWORD)
        assert MailKind.PASSWORD_BREACHED not in await kinds(auth)
        mail = await newest(auth, MailKind.VERIFY_EMAIL)
        await auth.recovery.verify_email(mail.code, None, STRANGER)
        await guess(auth, password=PASSWORD)
        assert MailKind.PASSWORD_BREACHED in await kinds(auth)
