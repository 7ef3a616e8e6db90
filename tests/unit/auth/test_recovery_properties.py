"""Properties of verification, recovery and changes over any sequence of operations."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from subgraphs.auth.domain import MailContent, MailKind, SignedIn
from subgraphs.auth.errors import (
    EmailTaken,
    InvalidCode,
    InvalidCredentials,
    InvalidInput,
    TooManyAttempts,
    UsernameTaken,
)
from tests.unit.auth.fakes import FakeAuth
from tests.unit.auth.recovery_suite import NETWORK, mails
from tests.unit.auth.service_suite import LAPTOP

REFUSED = (
    EmailTaken,
    InvalidCode,
    InvalidCredentials,
    InvalidInput,
    TooManyAttempts,
    UsernameTaken,
)
NAMES = ["ada", "grace", "joan"]
ADDRESSES = [f"{letter}@example.com" for letter in "pqrs"]
PASSWORDS = ["correct horse battery", "incorrect donkey staple"]
VERIFICATIONS = {MailKind.VERIFY_EMAIL, MailKind.CHANGE_EMAIL}

Step = tuple[str, int, int, int]
"""An operation, and the numbers that choose its user, address and password or mail."""


@dataclass
class World:
    auth: FakeAuth = field(default_factory=FakeAuth.in_memory)
    accounts: list[SignedIn] = field(default_factory=list)
    read: dict[str, MailContent] = field(default_factory=dict)
    """Every mail that anyone has read, by its code or kind and address."""
    verified: set[tuple[str, str]] = field(default_factory=set)
    """Pairs of username and address for which a verification has succeeded."""

    async def step(self, step: Step) -> None:
        operation, who, where, what = step
        with suppress(*REFUSED):
            await self._operations()[operation](who, where, what)
        self.auth.clock.advance(minutes=1)
        await self.check()

    def _operations(self) -> dict[str, Callable[[int, int, int], Awaitable[object]]]:
        return {
            "sign_up": self.sign_up,
            "request": self.request,
            "change_email": self.change_email,
            "forget": self.forget,
            "change_password": self.change_password,
            "use": self.use,
            "delete": self.delete,
        }

    async def sign_up(self, who: int, where: int, what: int) -> None:
        signed_in = await self.auth.service.sign_up(
            username=NAMES[who % len(NAMES)],
            email=ADDRESSES[where % len(ADDRESSES)],
            password=PASSWORDS[what % 2],
            device=LAPTOP,
        )
        self.accounts.append(signed_in)

    async def request(self, who: int, _: int, __: int) -> None:
        if self.accounts:
            user_id = self._user_id(who)
            await self.auth.recovery.request_email_verification(user_id, NETWORK)

    async def change_email(self, who: int, where: int, what: int) -> None:
        if self.accounts:
            address = ADDRESSES[where % len(ADDRESSES)]
            await self.auth.recovery.change_email(
                self._user_id(who), address, PASSWORDS[what % 2], NETWORK
            )

    async def forget(self, _: int, where: int, __: int) -> None:
        await self.auth.recovery.request_password_reset(ADDRESSES[where % 4], NETWORK)

    async def change_password(self, who: int, _: int, what: int) -> None:
        if self.accounts:
            account = self.accounts[who % len(self.accounts)]
            old, new = PASSWORDS[what % 2], PASSWORDS[(what + 1) % 2]
            await self.auth.recovery.change_password(account.user.id, account.session.id, old, new)

    async def use(self, _: int, __: int, what: int) -> None:
        """Use the code of some mail."""
        codes = list(self.read)
        if not codes:
            return
        code = codes[what % len(codes)]
        mail = self.read[code]
        recovery = self.auth.recovery
        if mail.kind in VERIFICATIONS:
            user = await recovery.verify_email(code, None, NETWORK)
            assert user.email == mail.address
            self.verified.add((user.username, user.email))
        elif mail.kind is MailKind.RESET_PASSWORD:
            await recovery.reset_password(code, PASSWORDS[what % 2], None, NETWORK)
        elif mail.kind is MailKind.EMAIL_CHANGED:
            await recovery.restore_email(code, NETWORK)

    async def delete(self, who: int, _: int, what: int) -> None:
        if self.accounts:
            user = self.accounts[who % len(self.accounts)].user
            await self.auth.service.delete_account(user.id, PASSWORDS[what % 2])
            self.verified = {pair for pair in self.verified if pair[0] != user.username}

    def _user_id(self, who: int) -> UUID:
        return self.accounts[who % len(self.accounts)].user.id

    async def check(self) -> None:
        for mail in await mails(self.auth):
            if mail.kind not in VERIFICATIONS:
                assert (mail.username, mail.address) in self.verified, mail.kind
            if mail.code:
                self.read[mail.code] = mail
        ids = {account.user.id for account in self.accounts}
        users = (await self.auth.service.users(ids)).values()
        assert len({user.email.lower() for user in users}) == len(users)
        stated = {
            event.subject: event.data["email"]
            for event in await self.auth.events()
            if event.type == "email-verified"
        }
        for user in users:
            assert user.email_verified == ((user.username, user.email) in self.verified)
            if user.email_verified:
                assert stated[str(user.id)] == user.email


steps = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "sign_up",
                "request",
                "change_email",
                "forget",
                "change_password",
                "use",
                "use",
                "delete",
            ]
        ),
        st.integers(0, 3),
        st.integers(0, 3),
        st.integers(0, 20),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(steps)
def test_only_verification_mails_go_to_unverified_addresses(sequence: list[Step]) -> None:
    async def run() -> None:
        world = World()
        for step in sequence:
            await world.step(step)

    asyncio.run(run())
