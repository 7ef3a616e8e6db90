"""Security events with fake repositories."""

import pytest

from chassis.ports import T
from subgraphs.auth.errors import InvalidCredentials, TooManyAttempts
from subgraphs.auth.ports import Work
from subgraphs.auth.security_events import SecurityEventKind
from tests.unit.auth.fakes import FakeAuth, FakeUnitOfWork
from tests.unit.auth.security_event_suite import Changes, Pages, Refusals, Sessions
from tests.unit.auth.service_suite import PHONE, sign_up


@pytest.fixture
def auth() -> FakeAuth:
    return FakeAuth.in_memory()


class TestSessions(Sessions):
    pass


class CountedUnitOfWork(FakeUnitOfWork):
    """Remembers which kinds of units of work ran."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[str] = []

    async def transaction(self, work: Work[T]) -> T:
        self.ran.append("transaction")
        return await super().transaction(work)

    async def read(self, work: Work[T]) -> T:
        self.ran.append("read")
        return await super().read(work)


class TestRefusals(Refusals):
    async def test_unknown_login_takes_the_same_units_of_work_as_a_wrong_password(self) -> None:
        """Before the limit of the logins and beyond it, and beyond that of the account."""
        unit_of_work = CountedUnitOfWork()
        auth = FakeAuth(unit_of_work, unit_of_work.events)
        await sign_up(auth.service)
        ran: dict[str, list[list[str]]] = {}
        for login in ("ada", "grace", "ada@example.com", "grace@example.com"):
            ran[login] = []
            for _ in range(15):
                unit_of_work.ran.clear()
                with pytest.raises((InvalidCredentials, TooManyAttempts)):
                    await auth.service.sign_in(
                        login=login, password="wrong", scopes=None, device=PHONE
                    )
                ran[login].append([*unit_of_work.ran])
        assert ran == dict.fromkeys(ran, [["read", "transaction"]] * 15)


@pytest.mark.parametrize("kind", SecurityEventKind)
def test_every_kind_is_described_in_a_sentence(kind: SecurityEventKind) -> None:
    assert kind.description[0].isupper()
    assert kind.description.endswith(".")


class TestChanges(Changes):
    pass


class TestPages(Pages):
    pass
