"""The behaviour of roles: which scopes sessions have, and what a change of roles ends.

Run with the fakes in `test_roles.py` and with PostgreSQL in the integration tests.
"""

from collections.abc import Sequence
from uuid import UUID

import pytest

from subgraphs.auth.domain import MailKind, SignedIn
from subgraphs.auth.errors import (
    AccountNotFound,
    InvalidCredentials,
    InvalidRefreshToken,
    UnknownRole,
)
from subgraphs.auth.policy import Policy
from tests.unit.auth.fakes import MODERATION, SCOPES, FakeAuth
from tests.unit.auth.recovery_suite import kinds, mails, verified
from tests.unit.auth.service_suite import (
    LAPTOP,
    PASSWORD,
    PHONE,
    published,
    session_revoked,
    sign_in,
    sign_up,
)


async def assign(auth: FakeAuth, user_id: UUID, *roles: str) -> Sequence[UUID] | None:
    """Change the roles of an account. Returns the sessions that ended; None if it had them."""
    assigned = await auth.operators.assign_roles(str(user_id), roles)
    return assigned.ended if assigned.changed else None


async def moderator(auth: FakeAuth) -> SignedIn:
    """Return a session for all scopes of an account with the role `moderator`."""
    ada = await sign_up(auth.service)
    await assign(auth, ada.user.id, "moderator")
    return await sign_in(auth.service)


async def sign_in_for(auth: FakeAuth, *scopes: str) -> SignedIn:
    return await auth.service.sign_in(
        login="ada", password=PASSWORD, scopes=[*scopes], device=PHONE
    )


def scopes_of(auth: FakeAuth, signed_in: SignedIn) -> frozenset[str]:
    """Return the scopes in the access token, which the answer names too."""
    scopes = auth.access_tokens.verify(signed_in.access_token.value).scopes
    assert signed_in.session.scopes == scopes
    return scopes


class ScopesOfRoles:
    async def test_session_without_a_role_lacks_its_scopes(self, auth: FakeAuth) -> None:
        assert scopes_of(auth, await sign_up(auth.service)) == SCOPES
        assert scopes_of(auth, await sign_in(auth.service)) == SCOPES

    async def test_session_for_all_scopes_has_those_of_its_roles(self, auth: FakeAuth) -> None:
        ada = await moderator(auth)
        assert scopes_of(auth, ada) == SCOPES | MODERATION
        refreshed = await auth.service.refresh_session(ada.refresh_token)
        assert scopes_of(auth, refreshed) == SCOPES | MODERATION
        (listed,) = await auth.service.sessions(ada.user.id)
        assert listed.scopes == SCOPES | MODERATION

    async def test_requested_scope_beyond_the_roles_is_left_out(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        signed_in = await sign_in_for(auth, "tweets:read", "tweets:moderate")
        assert scopes_of(auth, signed_in) == {"tweets:read"}
        refreshed = await auth.service.refresh_session(signed_in.refresh_token)
        assert scopes_of(auth, refreshed) == {"tweets:read"}

    async def test_requested_scope_within_the_roles_is_granted(self, auth: FakeAuth) -> None:
        await moderator(auth)
        signed_in = await sign_in_for(auth, "tweets:moderate")
        assert scopes_of(auth, signed_in) == {"tweets:moderate"}

    async def test_reauthentication_keeps_the_scopes(self, auth: FakeAuth) -> None:
        ada = await moderator(auth)
        new = await auth.sessions.reauthenticate(ada.user.id, ada.session.id, PASSWORD, LAPTOP)
        assert new
        assert new.session.scopes == SCOPES | MODERATION
        assert new.session.all_scopes

    async def test_role_that_is_no_longer_declared_has_no_scopes(self, auth: FakeAuth) -> None:
        ada = await moderator(auth)
        without = auth.under(Policy({"user": SCOPES}))
        refreshed = await without.refresh_session(ada.refresh_token)
        assert scopes_of(auth, refreshed) == SCOPES
        again = await auth.service.refresh_session(refreshed.refresh_token)
        assert scopes_of(auth, again) == SCOPES | MODERATION


class ChangeOfRoles:
    async def test_change_ends_every_session_of_the_account(self, auth: FakeAuth) -> None:
        first, other = await sign_up(auth.service), await sign_up(auth.service, "grace")
        second = await sign_in(auth.service)
        ended = await assign(auth, first.user.id, "moderator")
        assert ended is not None
        assert set(ended) == {first.session.id, second.session.id}
        assert auth.revocations.announced == list(ended)
        assert await published(auth) == [session_revoked(first.user.id, ended)]
        with pytest.raises(InvalidRefreshToken):
            await auth.service.refresh_session(second.refresh_token)
        await auth.service.refresh_session(other.refresh_token)

    async def test_withdrawn_role_ends_the_sessions_that_had_it(self, auth: FakeAuth) -> None:
        ada = await moderator(auth)
        assert await assign(auth, ada.user.id, "user") == [ada.session.id]
        assert scopes_of(auth, await sign_in(auth.service)) == SCOPES

    async def test_same_roles_again_end_nothing(self, auth: FakeAuth) -> None:
        ada = await moderator(auth)
        assert await assign(auth, ada.user.id, "user", "moderator") is None
        await auth.service.refresh_session(ada.refresh_token)

    async def test_unknown_role_is_refused(self, auth: FakeAuth) -> None:
        ada = await sign_up(auth.service)
        message = "there is no role root; known are moderator, user"
        with pytest.raises(UnknownRole, match=message):
            await assign(auth, ada.user.id, "moderator", "root")

    @pytest.mark.parametrize("account", ["ada", " ADA", "ada@example.com", "id"])
    async def test_account_is_named_by_username_address_or_id(
        self, auth: FakeAuth, account: str
    ) -> None:
        user = (await sign_up(auth.service)).user
        named = str(user.id) if account == "id" else account
        await auth.operators.assign_roles(named, ["moderator"])
        assert scopes_of(auth, await sign_in(auth.service)) == SCOPES | MODERATION

    @pytest.mark.parametrize("account", ["grace", "grace@example.com", str(UUID(int=9)), "", "!"])
    async def test_unknown_account_is_an_error(self, auth: FakeAuth, account: str) -> None:
        await sign_up(auth.service)
        with pytest.raises(AccountNotFound):
            await auth.operators.assign_roles(account, ["moderator"])

    async def test_change_is_mailed_to_a_verified_address(self, auth: FakeAuth) -> None:
        ada = await verified(auth)
        assert (await auth.operators.assign_roles("ada", ["moderator"])).mailed
        assert not (await auth.operators.assign_roles("ada", ["moderator"])).mailed
        (mail,) = await mails(auth)
        assert (mail.kind, mail.address) == (MailKind.ROLES_CHANGED, ada.user.email)
        assert mail.code == mail.short_code == ""

    async def test_unverified_address_gets_no_mail(self, auth: FakeAuth) -> None:
        await sign_up(auth.service)
        assert not (await auth.operators.assign_roles("ada", ["moderator"])).mailed
        assert MailKind.ROLES_CHANGED not in await kinds(auth)

    async def test_sign_in_during_a_change_opens_no_session(self, auth: FakeAuth) -> None:
        """It has read the roles before, and would keep them."""
        ada = await moderator(auth)

        async def withdraw() -> None:
            auth.passwords.before_verify = None
            await assign(auth, ada.user.id, "user")

        auth.passwords.before_verify = withdraw
        with pytest.raises(InvalidCredentials):
            await sign_in(auth.service)
        assert await auth.service.sessions(ada.user.id) == []

    async def test_reauthentication_during_a_change_opens_no_session(self, auth: FakeAuth) -> None:
        ada = await moderator(auth)

        async def withdraw() -> None:
            auth.passwords.before_verify = None
            await assign(auth, ada.user.id, "user")

        auth.passwords.before_verify = withdraw
        opened = await auth.sessions.reauthenticate(ada.user.id, ada.session.id, PASSWORD, LAPTOP)
        assert opened is None
        assert await auth.service.sessions(ada.user.id) == []
