"""The behaviour of verification, recovery and changes of an account.

Run with the fakes in `test_recovery.py` and with PostgreSQL in the integration tests.
"""

from uuid import UUID

import pytest

from subgraphs.auth.domain import MAX_CODE_ATTEMPTS, MailContent, MailKind, SignedIn, User
from subgraphs.auth.errors import (
    EmailTaken,
    InvalidCode,
    InvalidCredentials,
    InvalidInput,
    InvalidRefreshToken,
    TooManyAttempts,
)
from subgraphs.auth.mails import MailNotWanted
from subgraphs.auth.ports import Repositories
from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.service_suite import LAPTOP, MAIL_REQUESTED, PASSWORD, sign_in, sign_up

NETWORK = "192.0.2.0"
NEW_PASSWORD = "incorrect donkey staple"
ADDRESS, NEW_ADDRESS = "ada@example.com", "ada@example.net"


async def mails(auth: FakeAuth) -> list[MailContent]:
    """Return the content of every requested mail that is wanted now, in order."""
    contents = []
    for event in await auth.events():
        if event.type == MAIL_REQUESTED:
            try:
                contents.append(await auth.mails.content(UUID(event.subject)))
            except MailNotWanted:
                continue
    return contents


async def newest(auth: FakeAuth, kind: MailKind) -> MailContent:
    return [mail for mail in await mails(auth) if mail.kind is kind][-1]


async def kinds(auth: FakeAuth) -> list[MailKind]:
    return [mail.kind for mail in await mails(auth)]


async def verified(auth: FakeAuth, name: str = "ada") -> SignedIn:
    """Sign up, and verify the address."""
    signed_in = await sign_up(auth.service, name)
    mail = [m for m in await mails(auth) if m.address == f"{name}@example.com"][-1]
    await auth.recovery.verify_email(mail.code, None, NETWORK)
    return signed_in


async def with_new_address(auth: FakeAuth) -> SignedIn:
    """Sign up, verify the address, and change it."""
    ada = await verified(auth)
    await auth.recovery.change_email(ada.user.id, NEW_ADDRESS, PASSWORD, NETWORK)
    mail = await newest(auth, MailKind.CHANGE_EMAIL)
    await auth.recovery.verify_email(mail.code, None, NETWORK)
    return ada


async def refused(auth: FakeAuth, signed_in: SignedIn) -> bool:
    """Return whether the session has ended everywhere: announced, and without a refresh."""
    if signed_in.session.id not in auth.revocations.announced:
        return False
    with pytest.raises(InvalidRefreshToken):
        await auth.service.refresh_session(signed_in.refresh_token)
    return True


async def user_of(auth: FakeAuth, signed_in: SignedIn) -> User:
    return (await auth.service.users([signed_in.user.id]))[signed_in.user.id]


class VerifyEmail:
    async def test_address_that_cannot_exist_gets_no_mail(self, auth: FakeAuth) -> None:
        signed_in = await auth.service.sign_up(
            username="probe", email="Probe@Prober.EXAMPLE", password=PASSWORD, device=LAPTOP
        )
        await auth.recovery.request_email_verification(signed_in.user.id, NETWORK)
        await auth.recovery.request_password_reset(signed_in.user.email, NETWORK)
        assert [event.type for event in await auth.events()] == ["user-registered"]

    async def test_sign_up_mails_a_code_that_verifies_the_address(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        assert not ada.user.email_verified
        (mail,) = await mails(auth)
        assert (mail.kind, mail.address, mail.username) == (
            MailKind.VERIFY_EMAIL,
            ADDRESS,
            "ada",
        )
        user = await auth.recovery.verify_email(mail.code, None, NETWORK)
        assert user.email_verified
        assert (await user_of(auth, ada)).email_verified
        event = (await auth.events())[-1]
        assert event.type == "email-verified"
        assert event.data == {"userId": str(user.id), "email": ADDRESS}
        assert event.time == user.email_verified_at

    @pytest.mark.asvs("6.5.1")
    async def test_code_works_once(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        (mail,) = await mails(auth)
        await auth.recovery.verify_email(mail.code, None, NETWORK)
        with pytest.raises(InvalidCode):
            await auth.recovery.verify_email(mail.code, None, NETWORK)
        assert await mails(auth) == []

    @pytest.mark.asvs("6.4.1", "6.5.5")
    async def test_code_expires_ten_minutes_after_the_mail(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        (mail,) = await mails(auth)
        assert mail.valid_for.total_seconds() == 600
        auth.clock.advance(minutes=10)
        with pytest.raises(InvalidCode):
            await auth.recovery.verify_email(mail.code, None, NETWORK)

    async def test_code_does_not_exist_before_its_mail_is_sent(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        seed = await only_seed(auth)
        with pytest.raises(InvalidCode):
            await auth.recovery.verify_email(auth.mails.codes.code(seed), None, NETWORK)

    async def test_validity_begins_with_the_mail_and_again_with_a_retry(
        self, auth: FakeAuth
    ) -> None:
        await sign_up(auth.service)
        auth.clock.advance(hours=5)
        (first,) = await mails(auth)
        auth.clock.advance(minutes=9)
        (retry,) = await mails(auth)
        assert retry.code == first.code
        auth.clock.advance(minutes=9)
        await auth.recovery.verify_email(first.code, None, NETWORK)

    async def test_mail_older_than_a_day_is_not_wanted(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        auth.clock.advance(days=1, seconds=1)
        assert await mails(auth) == []

    async def test_mail_of_a_deleted_account_is_not_wanted(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        await auth.service.delete_account(ada.user.id, PASSWORD)
        assert await mails(auth) == []

    async def test_several_requested_codes_are_valid_side_by_side(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        await auth.recovery.request_email_verification(ada.user.id, NETWORK)
        first, second = await mails(auth)
        assert first.code != second.code
        await auth.recovery.verify_email(first.code, None, NETWORK)
        with pytest.raises(InvalidCode):
            await auth.recovery.verify_email(second.code, None, NETWORK)

    async def test_address_can_be_verified_again(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        before = (await user_of(auth, ada)).email_verified_at
        await auth.recovery.request_email_verification(ada.user.id, NETWORK)
        (mail,) = await mails(auth)
        after = await auth.recovery.verify_email(mail.code, None, NETWORK)
        assert before
        assert after.email_verified_at
        assert after.email_verified_at > before

    async def test_signed_in_user_may_type_the_short_code(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        (mail,) = await mails(auth)
        assert len(mail.short_code) == 8
        assert mail.short_code.isdecimal()
        spaced = f" {mail.short_code[:4]} {mail.short_code[4:]}"
        assert (await auth.recovery.verify_email(spaced, ada.user.id, NETWORK)).email_verified

    @pytest.mark.asvs("6.6.2")
    async def test_short_code_is_useless_to_others(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        (mail,) = await mails(auth)
        grace = await sign_up(auth.service, "grace")
        for user_id in (None, grace.user.id):
            with pytest.raises(InvalidCode):
                await auth.recovery.verify_email(mail.short_code, user_id, NETWORK)

    @pytest.mark.asvs("6.6.3")
    async def test_wrong_short_codes_void_the_short_code_and_not_the_link(
        self, auth: FakeAuth
    ) -> None:
        ada = await sign_up(auth.service)
        (mail,) = await mails(auth)
        wrong = str((int(mail.short_code) + 1) % 10**8).zfill(8)
        for _ in range(MAX_CODE_ATTEMPTS):
            with pytest.raises(InvalidCode):
                await auth.recovery.verify_email(wrong, ada.user.id, NETWORK)
        with pytest.raises(InvalidCode):
            await auth.recovery.verify_email(mail.short_code, ada.user.id, NETWORK)
        await auth.recovery.verify_email(mail.code, None, NETWORK)

    @pytest.mark.parametrize(
        "code", ["", "x", "x" * 43, "é" * 9, "0" * 5000, "\ud800", "\ud800" * 9]
    )
    async def test_unknown_code_is_invalid(self, auth: FakeAuth, code: str) -> None:
        ada = await sign_up(auth.service)
        await mails(auth)
        with pytest.raises(InvalidCode):
            await auth.recovery.verify_email(code, ada.user.id, NETWORK)

    @pytest.mark.asvs("6.6.2")
    async def test_code_of_another_kind_is_invalid(self, auth: FakeAuth) -> None:
        await verified(auth)
        await auth.recovery.request_password_reset(ADDRESS, NETWORK)
        (mail,) = await mails(auth)
        with pytest.raises(InvalidCode):
            await auth.recovery.verify_email(mail.code, None, NETWORK)

    async def test_sign_ups_with_one_address_mail_as_often_as_the_limit(
        self, auth: FakeAuth
    ) -> None:
        limit = auth.recovery.limits.mails_per_address
        for _ in range(limit):
            ada = await sign_up(auth.service)
            assert len(await mails(auth)) == 1
            await auth.service.delete_account(ada.user.id, PASSWORD)
        ada = await sign_up(auth.service)
        assert await mails(auth) == []
        await auth.recovery.request_email_verification(ada.user.id, NETWORK)
        assert len(await mails(auth)) == 1

    async def test_requests_are_limited_for_an_address(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        for _ in range(auth.recovery.limits.mails_per_address):
            await auth.recovery.request_email_verification(ada.user.id, NETWORK)
        with pytest.raises(TooManyAttempts):
            await auth.recovery.request_email_verification(ada.user.id, "198.51.100.1")

    @pytest.mark.asvs("6.6.3")
    async def test_codes_are_limited_for_a_network(self, auth: FakeAuth) -> None:
        for _ in range(auth.recovery.limits.codes_per_network):
            with pytest.raises(InvalidCode):
                await auth.recovery.verify_email("x" * 43, None, NETWORK)
        with pytest.raises(TooManyAttempts):
            await auth.recovery.verify_email("x" * 43, None, NETWORK)


class ResetPassword:
    @pytest.mark.asvs("6.4.3", "6.5.6", "7.4.3")
    async def test_reset_ends_every_session_and_replaces_the_password(self, auth: FakeAuth) -> None:
        laptop = await verified(auth)
        phone = await sign_in(auth.service)
        await auth.recovery.request_password_reset("ADA@example.com", NETWORK)
        mail = await newest(auth, MailKind.RESET_PASSWORD)
        assert mail.address == ADDRESS
        changed = await auth.recovery.reset_password(mail.code, NEW_PASSWORD, None, NETWORK)
        assert set(changed.session_ids) == {laptop.session.id, phone.session.id}
        assert await refused(auth, laptop)
        assert await refused(auth, phone)
        with pytest.raises(InvalidCredentials):
            await sign_in(auth.service)
        await auth.service.sign_in(login="ada", password=NEW_PASSWORD, scopes=None, device=LAPTOP)

    @pytest.mark.asvs("6.3.7")
    async def test_reset_mails_a_notice(self, auth: FakeAuth) -> None:
        await verified(auth)
        await auth.recovery.request_password_reset(ADDRESS, NETWORK)
        (mail,) = await mails(auth)
        await auth.recovery.reset_password(mail.code, NEW_PASSWORD, None, NETWORK)
        (notice,) = await mails(auth)
        assert (notice.kind, notice.code, notice.short_code) == (
            MailKind.PASSWORD_CHANGED,
            "",
            "",
        )

    async def test_unknown_address_gets_the_same_answer_and_no_mail(self, auth: FakeAuth) -> None:
        await verified(auth)
        before = len(await auth.events())
        for address in (ADDRESS, "nobody@example.com"):
            answer = await auth.recovery.request_password_reset(address, NETWORK)
            assert answer == address
        requested = (await auth.events())[before:]
        assert [e.type for e in requested] == [MAIL_REQUESTED, MAIL_REQUESTED]
        assert [set(e.data) for e in requested] == [{"mailId"}, {"mailId"}]
        assert [m.address for m in await mails(auth)] == [ADDRESS]

    @pytest.mark.asvs("6.4.3")
    async def test_unverified_address_gets_a_verification_mail_instead(
        self, auth: FakeAuth
    ) -> None:
        await sign_up(auth.service)
        await auth.recovery.request_password_reset(ADDRESS, NETWORK)
        mail = (await mails(auth))[-1]
        assert mail.kind is MailKind.VERIFY_EMAIL
        with pytest.raises(InvalidCode):
            await auth.recovery.reset_password(mail.code, NEW_PASSWORD, None, NETWORK)
        assert (await auth.recovery.verify_email(mail.code, None, NETWORK)).email_verified

    async def test_invalid_address_is_a_problem_of_the_field(self, auth: FakeAuth) -> None:
        with pytest.raises(InvalidInput) as invalid:
            await auth.recovery.request_password_reset("nonsense", NETWORK)
        assert [p.field for p in invalid.value.problems] == ["email"]

    async def test_bad_password_leaves_the_code_valid(self, auth: FakeAuth) -> None:
        await verified(auth)
        await auth.recovery.request_password_reset(ADDRESS, NETWORK)
        (mail,) = await mails(auth)
        for bad in ("short", ADDRESS, "password123"):
            with pytest.raises(InvalidInput) as invalid:
                await auth.recovery.reset_password(mail.code, bad, None, NETWORK)
            assert [p.field for p in invalid.value.problems] == ["newPassword"]
        await auth.recovery.reset_password(mail.code, NEW_PASSWORD, None, NETWORK)

    @pytest.mark.asvs("6.4.1", "6.5.1")
    async def test_code_works_once_and_voids_the_others(self, auth: FakeAuth) -> None:
        await verified(auth)
        for _ in range(2):
            await auth.recovery.request_password_reset(ADDRESS, NETWORK)
        first, second = await mails(auth)
        await auth.recovery.reset_password(first.code, NEW_PASSWORD, None, NETWORK)
        for mail in (first, second):
            with pytest.raises(InvalidCode):
                await auth.recovery.reset_password(mail.code, PASSWORD, None, NETWORK)

    @pytest.mark.asvs("6.6.2")
    async def test_short_code_needs_the_address(self, auth: FakeAuth) -> None:
        await verified(auth)
        await auth.recovery.request_password_reset(ADDRESS, NETWORK)
        (mail,) = await mails(auth)
        for address in (None, "nobody@example.com", "ada"):
            with pytest.raises(InvalidCode):
                await auth.recovery.reset_password(mail.short_code, NEW_PASSWORD, address, NETWORK)
        await auth.recovery.reset_password(mail.short_code, NEW_PASSWORD, ADDRESS, NETWORK)

    async def test_sign_in_that_verified_the_old_password_fails(self, auth: FakeAuth) -> None:
        await verified(auth)
        await reset_during_verification(auth)
        with pytest.raises(InvalidCredentials):
            await sign_in(auth.service)

    async def test_requests_are_limited_alike_for_known_and_unknown_addresses(
        self, auth: FakeAuth
    ) -> None:
        await verified(auth)
        for address in (ADDRESS, "nobody@example.com"):
            for _ in range(auth.recovery.limits.mails_per_address):
                await auth.recovery.request_password_reset(address, NETWORK)
            with pytest.raises(TooManyAttempts):
                await auth.recovery.request_password_reset(address.upper(), NETWORK)


class ChangePassword:
    @pytest.mark.asvs("6.2.2", "7.4.3")
    async def test_change_ends_the_other_sessions(self, auth: FakeAuth) -> None:
        laptop = await verified(auth)
        phone = await sign_in(auth.service)
        changed = await auth.recovery.change_password(
            laptop.user.id, laptop.session.id, PASSWORD, NEW_PASSWORD
        )
        assert changed.session_ids == [phone.session.id]
        assert await refused(auth, phone)
        assert (await auth.service.refresh_session(laptop.refresh_token)).user.username == "ada"
        assert await kinds(auth) == [MailKind.NEW_SIGN_IN, MailKind.PASSWORD_CHANGED]

    @pytest.mark.asvs("6.2.3", "7.5.1")
    async def test_wrong_password_changes_nothing(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        with pytest.raises(InvalidCredentials):
            await auth.recovery.change_password(
                ada.user.id, ada.session.id, "wrong password", NEW_PASSWORD
            )
        await sign_in(auth.service)

    async def test_guesses_are_limited_for_an_account(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        change = auth.recovery.change_password
        for _ in range(auth.recovery.limits.passwords_per_account):
            with pytest.raises(InvalidCredentials):
                await change(ada.user.id, ada.session.id, "wrong password", NEW_PASSWORD)
        with pytest.raises(TooManyAttempts):
            await change(ada.user.id, ada.session.id, PASSWORD, NEW_PASSWORD)

    async def test_unverified_address_gets_no_notice(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        await auth.recovery.change_password(ada.user.id, ada.session.id, PASSWORD, NEW_PASSWORD)
        assert MailKind.PASSWORD_CHANGED not in await kinds(auth)

    async def test_change_voids_pending_resets(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        await auth.recovery.request_password_reset(ADDRESS, NETWORK)
        (mail,) = await mails(auth)
        await auth.recovery.change_password(ada.user.id, ada.session.id, PASSWORD, NEW_PASSWORD)
        with pytest.raises(InvalidCode):
            await auth.recovery.reset_password(mail.code, PASSWORD, None, NETWORK)

    async def test_reset_in_the_meantime_wins(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        await reset_during_verification(auth)
        with pytest.raises(InvalidCredentials):
            await auth.recovery.change_password(
                ada.user.id, ada.session.id, PASSWORD, "a third password"
            )
        await auth.service.sign_in(login="ada", password=NEW_PASSWORD, scopes=None, device=LAPTOP)


class ChangeEmail:
    async def test_new_address_counts_once_it_is_verified(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        await auth.recovery.change_email(ada.user.id, " Ada@EXAMPLE.net", PASSWORD, NETWORK)
        assert (await user_of(auth, ada)).email == ADDRESS
        (mail,) = await mails(auth)
        assert (mail.kind, mail.address) == (MailKind.CHANGE_EMAIL, "Ada@example.net")
        user = await auth.recovery.verify_email(mail.code, None, NETWORK)
        assert (user.email, user.email_verified) == ("Ada@example.net", True)
        assert (
            await auth.service.sign_in(
                login=NEW_ADDRESS, password=PASSWORD, scopes=None, device=LAPTOP
            )
        ).user.id == user.id

    @pytest.mark.asvs("6.3.7")
    async def test_previous_address_gets_a_code_that_takes_it_back(self, auth: FakeAuth) -> None:
        await with_new_address(auth)
        (notice,) = await mails(auth)
        assert (notice.kind, notice.address) == (MailKind.EMAIL_CHANGED, ADDRESS)
        assert notice.valid_for.days == 3
        assert notice.code
        assert not notice.short_code

    async def test_unverified_previous_address_gets_no_notice(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        await auth.recovery.change_email(ada.user.id, NEW_ADDRESS, PASSWORD, NETWORK)
        mail = await newest(auth, MailKind.CHANGE_EMAIL)
        await auth.recovery.verify_email(mail.code, None, NETWORK)
        assert await mails(auth) == []

    async def test_only_the_last_requested_address_counts(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        await auth.recovery.change_email(ada.user.id, "first@example.net", PASSWORD, NETWORK)
        (first,) = await mails(auth)
        await auth.recovery.change_email(ada.user.id, "second@example.net", PASSWORD, NETWORK)
        with pytest.raises(InvalidCode):
            await auth.recovery.verify_email(first.code, None, NETWORK)

    async def test_code_for_the_previous_address_verifies_nothing_any_more(
        self, auth: FakeAuth
    ) -> None:
        ada = await verified(auth)
        await auth.recovery.request_email_verification(ada.user.id, NETWORK)
        (old,) = await mails(auth)
        await auth.recovery.change_email(ada.user.id, NEW_ADDRESS, PASSWORD, NETWORK)
        new = await newest(auth, MailKind.CHANGE_EMAIL)
        await auth.recovery.verify_email(new.code, None, NETWORK)
        with pytest.raises(InvalidCode):
            await auth.recovery.verify_email(old.code, None, NETWORK)

    @pytest.mark.asvs("7.5.1")
    async def test_wrong_password_requests_nothing(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        with pytest.raises(InvalidCredentials):
            await auth.recovery.change_email(ada.user.id, NEW_ADDRESS, "wrong", NETWORK)
        assert await mails(auth) == []

    async def test_address_of_another_account_is_taken(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        await sign_up(auth.service, "grace")
        with pytest.raises(EmailTaken):
            await auth.recovery.change_email(ada.user.id, "Grace@example.com", PASSWORD, NETWORK)

    async def test_taken_address_leaves_the_budget_of_its_owner(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        await sign_up(auth.service, "grace")
        for _ in range(auth.recovery.limits.mails_per_address):
            with pytest.raises(EmailTaken):
                await auth.recovery.change_email(
                    ada.user.id, "grace@example.com", PASSWORD, NETWORK
                )
        await auth.recovery.request_password_reset("grace@example.com", NETWORK)

    async def test_reset_in_the_meantime_wins(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        await reset_during_verification(auth)
        with pytest.raises(InvalidCredentials):
            await auth.recovery.change_email(ada.user.id, NEW_ADDRESS, PASSWORD, NETWORK)
        assert MailKind.CHANGE_EMAIL not in await kinds(auth)

    async def test_reset_for_the_previous_address_is_not_mailed_again(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        await auth.recovery.request_password_reset(ADDRESS, NETWORK)
        reset = await newest(auth, MailKind.RESET_PASSWORD)
        await auth.recovery.change_email(ada.user.id, NEW_ADDRESS, PASSWORD, NETWORK)
        change = await newest(auth, MailKind.CHANGE_EMAIL)
        await auth.recovery.verify_email(change.code, None, NETWORK)
        assert await kinds(auth) == [MailKind.EMAIL_CHANGED]
        with pytest.raises(InvalidCode):
            await auth.recovery.reset_password(reset.code, NEW_PASSWORD, None, NETWORK)

    async def test_address_taken_before_the_verification_is_taken(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        await auth.recovery.change_email(ada.user.id, "grace@example.com", PASSWORD, NETWORK)
        (mail,) = await mails(auth)
        await sign_up(auth.service, "grace")
        with pytest.raises(EmailTaken):
            await auth.recovery.verify_email(mail.code, None, NETWORK)

    @pytest.mark.parametrize("address", ["nonsense", ADDRESS])
    async def test_invalid_or_present_address_is_a_problem_of_the_field(
        self, auth: FakeAuth, address: str
    ) -> None:
        ada = await verified(auth)
        with pytest.raises(InvalidInput) as invalid:
            await auth.recovery.change_email(ada.user.id, address, PASSWORD, NETWORK)
        assert [p.field for p in invalid.value.problems] == ["newEmail"]


class DeleteAccount:
    async def test_guesses_are_limited_for_an_account(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        for _ in range(auth.recovery.limits.passwords_per_account):
            with pytest.raises(InvalidCredentials):
                await auth.service.delete_account(ada.user.id, "wrong password")
        with pytest.raises(TooManyAttempts):
            await auth.service.delete_account(ada.user.id, PASSWORD)

    async def test_reset_in_the_meantime_wins(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        await reset_during_verification(auth)
        with pytest.raises(InvalidCredentials):
            await auth.service.delete_account(ada.user.id, PASSWORD)
        assert (await user_of(auth, ada)).username == "ada"


class RestoreEmail:
    async def test_restoring_ends_sessions_and_voids_the_password(self, auth: FakeAuth) -> None:
        ada = await with_new_address(auth)
        (notice,) = await mails(auth)
        ended = await auth.recovery.restore_email(notice.code, NETWORK)
        assert ended == [ada.session.id]
        assert await refused(auth, ada)
        user = await user_of(auth, ada)
        assert (user.email, user.email_verified) == (ADDRESS, True)
        with pytest.raises(InvalidCredentials):
            await sign_in(auth.service)

    async def test_restored_address_gets_a_password_reset(self, auth: FakeAuth) -> None:
        await with_new_address(auth)
        (notice,) = await mails(auth)
        await auth.recovery.restore_email(notice.code, NETWORK)
        (reset,) = await mails(auth)
        assert (reset.kind, reset.address) == (MailKind.RESET_PASSWORD, ADDRESS)
        await auth.recovery.reset_password(reset.code, PASSWORD, None, NETWORK)
        await sign_in(auth.service)

    async def test_reset_through_the_new_address_does_not_end_the_right(
        self, auth: FakeAuth
    ) -> None:
        ada = await with_new_address(auth)
        (notice,) = await mails(auth)
        await auth.recovery.request_password_reset(NEW_ADDRESS, NETWORK)
        reset = await newest(auth, MailKind.RESET_PASSWORD)
        await auth.recovery.reset_password(reset.code, NEW_PASSWORD, None, NETWORK)
        await auth.recovery.restore_email(notice.code, NETWORK)
        assert (await user_of(auth, ada)).email == ADDRESS

    async def test_reset_mailed_to_the_new_address_during_the_restoration_is_void(
        self, auth: FakeAuth
    ) -> None:
        await with_new_address(auth)
        notice = await newest(auth, MailKind.EMAIL_CHANGED)
        await auth.recovery.request_password_reset(NEW_ADDRESS, NETWORK)
        reset = await newest(auth, MailKind.RESET_PASSWORD)
        sent = await auth.unit_of_work.read(
            lambda r: r.account_mails.by_hash(auth.mails.codes.hash(reset.code))
        )
        assert sent
        await auth.recovery.restore_email(notice.code, NETWORK)

        async def send(repositories: Repositories) -> None:
            await repositories.account_mails.add(sent)
            await repositories.account_mails.send(sent)

        # As when the notifier fetched the mail before the restoration and auth commits after it.
        await auth.unit_of_work.transaction(send)
        with pytest.raises(InvalidCode):
            await auth.recovery.reset_password(reset.code, NEW_PASSWORD, None, NETWORK)

    async def test_reader_of_a_later_address_cannot_take_it_back_for_good(
        self, auth: FakeAuth
    ) -> None:
        ada = await with_new_address(auth)
        (first,) = await mails(auth)
        auth.clock.advance(hours=1)
        await auth.recovery.change_email(ada.user.id, "third@example.org", PASSWORD, NETWORK)
        mail = await newest(auth, MailKind.CHANGE_EMAIL)
        await auth.recovery.verify_email(mail.code, None, NETWORK)
        second = await newest(auth, MailKind.EMAIL_CHANGED)
        assert second.address == NEW_ADDRESS
        await auth.recovery.restore_email(second.code, NETWORK)
        await auth.recovery.restore_email(first.code, NETWORK)
        assert (await user_of(auth, ada)).email == ADDRESS
        with pytest.raises(InvalidCode):
            await auth.recovery.restore_email(second.code, NETWORK)

    async def test_previous_address_is_reserved_for_three_days(self, auth: FakeAuth) -> None:
        await with_new_address(auth)
        await mails(auth)
        grace = await verified(auth, "grace")
        await auth.service.sign_up(
            username="other", email="other@example.com", password=PASSWORD, device=LAPTOP
        )
        with pytest.raises(EmailTaken):
            await auth.service.sign_up(
                username="thief", email=ADDRESS.upper(), password=PASSWORD, device=LAPTOP
            )
        with pytest.raises(EmailTaken):
            await auth.recovery.change_email(grace.user.id, ADDRESS, PASSWORD, NETWORK)
        auth.clock.advance(days=3)
        await auth.recovery.change_email(grace.user.id, ADDRESS, PASSWORD, NETWORK)

    async def test_owner_may_return_to_the_previous_address(self, auth: FakeAuth) -> None:
        ada = await with_new_address(auth)
        await auth.recovery.change_email(ada.user.id, ADDRESS, PASSWORD, NETWORK)
        mail = await newest(auth, MailKind.CHANGE_EMAIL)
        assert (await auth.recovery.verify_email(mail.code, None, NETWORK)).email == ADDRESS

    async def test_code_expires_after_three_days(self, auth: FakeAuth) -> None:
        await with_new_address(auth)
        (notice,) = await mails(auth)
        auth.clock.advance(days=3)
        with pytest.raises(InvalidCode):
            await auth.recovery.restore_email(notice.code, NETWORK)

    async def test_notice_is_sent_even_after_a_long_outage(self, auth: FakeAuth) -> None:
        await with_new_address(auth)
        auth.clock.advance(days=5)
        (notice,) = await mails(auth)
        await auth.recovery.restore_email(notice.code, NETWORK)


async def reset_during_verification(auth: FakeAuth) -> None:
    """Let a reset of the password end while the next use case verifies the old one."""
    await auth.recovery.request_password_reset(ADDRESS, NETWORK)
    mail = await newest(auth, MailKind.RESET_PASSWORD)

    async def reset() -> None:
        auth.passwords.before_verify = None
        await auth.recovery.reset_password(mail.code, NEW_PASSWORD, None, NETWORK)

    auth.passwords.before_verify = reset


async def only_seed(auth: FakeAuth) -> bytes:
    """Return the seed of the only mail, whose content was not fetched."""
    (event,) = [e for e in await auth.events() if e.type == MAIL_REQUESTED]
    mail_id = UUID(event.subject)
    mail = await auth.unit_of_work.transaction(lambda r: r.account_mails.lock(mail_id))
    assert mail
    return mail.seed
