"""Real Argon2id, with parameters small enough for a test."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import argon2
import pytest

from chassis.errors import Overloaded
from subgraphs.auth import passwords
from subgraphs.auth.passwords import Argon2Cost, Argon2PasswordHasher

CHEAP = Argon2Cost(memory_kib=8, passes=1)


@pytest.fixture
def hasher() -> Iterator[Argon2PasswordHasher]:
    hasher = Argon2PasswordHasher(CHEAP, workers=2, backlog=2)
    yield hasher
    hasher.close()


class TestArgon2PasswordHasher:
    async def test_verifies_what_it_hashed(self, hasher: Argon2PasswordHasher) -> None:
        stored = await hasher.hash("correct horse")
        assert stored.startswith("$argon2id$")
        assert await hasher.verify(stored, "correct horse")
        assert not await hasher.verify(stored, "wrong horse")

    async def test_nobody_has_no_password(self, hasher: Argon2PasswordHasher) -> None:
        assert not await hasher.verify(None, "correct horse")

    async def test_a_broken_hash_fits_no_password(self, hasher: Argon2PasswordHasher) -> None:
        assert not await hasher.verify("not a hash", "correct horse")

    @pytest.mark.parametrize(
        "others",
        [
            argon2.PasswordHasher(1, 16, 1),
            argon2.PasswordHasher(2, 8, 1),
            argon2.PasswordHasher(1, 80, 10),
            argon2.PasswordHasher(1, 8, 1, hash_len=24),
            argon2.PasswordHasher(1, 8, 1, salt_len=12),
            argon2.PasswordHasher(1, 8, 1, type=argon2.Type.I),
        ],
    )
    async def test_knows_hashes_of_other_parameters(
        self, hasher: Argon2PasswordHasher, others: argon2.PasswordHasher
    ) -> None:
        assert not hasher.outdated(await hasher.hash("correct horse"))
        assert hasher.outdated(others.hash("correct horse"))
        assert hasher.outdated("not a hash")

    async def test_refuses_work_that_would_wait_too_long(
        self, hasher: Argon2PasswordHasher
    ) -> None:
        answers = await asyncio.gather(
            *(hasher.hash("correct horse") for _ in range(10)), return_exceptions=True
        )
        refused = [answer for answer in answers if isinstance(answer, Overloaded)]
        assert len(refused) == 6
        assert await hasher.hash("correct horse")

    async def test_a_lost_caller_still_counts_until_its_hash_is_done(
        self, hasher: Argon2PasswordHasher
    ) -> None:
        callers = [asyncio.ensure_future(hasher.hash("correct horse")) for _ in range(4)]
        await asyncio.sleep(0)
        for caller in callers:
            caller.cancel()
        with pytest.raises(Overloaded):
            await hasher.hash("correct horse")
        await asyncio.gather(*callers, return_exceptions=True)

    async def test_each_caller_gets_the_answer_to_its_own_question(self) -> None:
        hasher = Argon2PasswordHasher(CHEAP, workers=3, backlog=100)
        stored = {word: await hasher.hash(word) for word in ("one", "two")}
        asked = [("one", "one"), ("one", "two"), ("two", "two"), (None, "one"), ("two", "x")] * 20
        answers = await asyncio.gather(
            *(hasher.verify(stored.get(name or ""), password) for name, password in asked)
        )
        assert answers == [name == password for name, password in asked]
        hasher.close()

    def test_the_default_cost_is_the_least_that_owasp_advises(self) -> None:
        assert Argon2Cost() == Argon2Cost(memory_kib=19456, passes=2, lanes=1)


class Gated:
    """Hashes nothing, one for each time that it is let."""

    def __init__(self) -> None:
        self.may = threading.Semaphore(0)

    def hash(self, password: str) -> str:
        self.may.acquire()
        if password == "too much":
            raise MemoryError
        return f"hash of {password}"


class TestHandingOver:
    @pytest.fixture
    def gated(self, hasher: Argon2PasswordHasher, monkeypatch: pytest.MonkeyPatch) -> Gated:
        gated = Gated()
        monkeypatch.setattr(hasher, "_argon2", gated)
        monkeypatch.setattr(hasher, "_limit", 100)
        return gated

    async def test_at_once_while_nobody_waits(
        self, hasher: Argon2PasswordHasher, gated: Gated
    ) -> None:
        both = [asyncio.ensure_future(hasher.hash(name)) for name in ("one", "two")]
        await asyncio.sleep(0)
        gated.may.release()
        done, waiting = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        assert (len(done), len(waiting)) == (1, 1)
        gated.may.release()
        assert await asyncio.gather(*both) == ["hash of one", "hash of two"]

    async def test_a_few_together_while_others_wait(
        self, hasher: Argon2PasswordHasher, gated: Gated, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        handed_over: list[int] = []
        hand_over = hasher._hand_over

        def counted(finished: list[Callable[[], None]]) -> None:
            handed_over.append(len(finished))
            hand_over(finished)

        monkeypatch.setattr(hasher, "_hand_over", counted)
        count = 3 * passwords._TOGETHER
        hashing = [asyncio.ensure_future(hasher.hash(str(n))) for n in range(count)]
        await asyncio.sleep(0)
        gated.may.release(count)
        assert await asyncio.gather(*hashing) == [f"hash of {n}" for n in range(count)]
        assert sum(handed_over) == count
        assert max(handed_over) == passwords._TOGETHER
        assert len(handed_over) < count

    async def test_failures_too(self, hasher: Argon2PasswordHasher, gated: Gated) -> None:
        names = ["one", "too much", "two", "too much", "three", "four"]
        hashing = [asyncio.ensure_future(hasher.hash(name)) for name in names]
        await asyncio.sleep(0)
        gated.may.release(len(names))
        for name, answer in zip(
            names, await asyncio.gather(*hashing, return_exceptions=True), strict=True
        ):
            assert isinstance(answer, MemoryError) or answer == f"hash of {name}"

    async def test_who_has_gone_disturbs_nobody(
        self, hasher: Argon2PasswordHasher, gated: Gated
    ) -> None:
        hashing = [asyncio.ensure_future(hasher.hash(str(n))) for n in range(9)]
        await asyncio.sleep(0)
        for n in (0, 3, 8):
            hashing[n].cancel()
        gated.may.release(9)
        answers = await asyncio.gather(*hashing, return_exceptions=True)
        for n, answer in enumerate(answers):
            assert isinstance(answer, asyncio.CancelledError) is (n in {0, 3, 8})
        gated.may.release()
        assert await hasher.hash("next") == "hash of next"
