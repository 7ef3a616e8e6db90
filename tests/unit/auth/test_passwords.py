"""Argon2id with parameters small enough for a test."""

import asyncio
import os
import sys
from collections.abc import Iterator

import argon2
import pytest

from chassis.errors import Overloaded
from subgraphs.auth.passwords import Argon2Cost, Argon2PasswordHasher

CHEAP = Argon2Cost(memory_kib=8, passes=1)


@pytest.fixture
def hasher() -> Iterator[Argon2PasswordHasher]:
    hasher = Argon2PasswordHasher(CHEAP, workers=2, backlog=2)
    yield hasher
    hasher.close()


class TestArgon2PasswordHasher:
    async def test_hash_verifies_its_own_password_only(self, hasher: Argon2PasswordHasher) -> None:
        stored = await hasher.hash("correct horse")
        assert stored.startswith("$argon2id$")
        assert await hasher.verify(stored, "correct horse")
        assert not await hasher.verify(stored, "wrong horse")

    async def test_unknown_user_has_no_password(self, hasher: Argon2PasswordHasher) -> None:
        assert not await hasher.verify(None, "correct horse")

    async def test_broken_hash_fits_no_password(self, hasher: Argon2PasswordHasher) -> None:
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
    async def test_hash_of_other_parameters_is_outdated(
        self, hasher: Argon2PasswordHasher, others: argon2.PasswordHasher
    ) -> None:
        assert not hasher.outdated(await hasher.hash("correct horse"))
        assert hasher.outdated(others.hash("correct horse"))

    async def test_work_beyond_workers_and_backlog_is_refused(
        self, hasher: Argon2PasswordHasher
    ) -> None:
        answers = await asyncio.gather(
            *(hasher.hash("correct horse") for _ in range(10)), return_exceptions=True
        )
        refused = [answer for answer in answers if isinstance(answer, Overloaded)]
        assert len(refused) == 6
        assert await hasher.hash("correct horse")

    @pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own")
    async def test_process_of_a_low_priority_hashes_in_threads_of_a_lower_one(self) -> None:
        def niceness() -> int:
            return os.getpriority(os.PRIO_PROCESS, 0)

        def in_a_nice_thread() -> tuple[int, int]:
            own = os.nice(max(0, 15 - niceness()))
            hasher = Argon2PasswordHasher(CHEAP, workers=1, backlog=1)
            try:
                return own, asyncio.run(hasher._in_pool(niceness))
            finally:
                hasher.close()

        own, hashing = await asyncio.to_thread(in_a_nice_thread)
        assert hashing == 19 >= own

    async def test_cancelled_caller_counts_until_its_hash_is_done(
        self, hasher: Argon2PasswordHasher
    ) -> None:
        callers = [asyncio.ensure_future(hasher.hash("correct horse")) for _ in range(4)]
        await asyncio.sleep(0)
        for caller in callers:
            caller.cancel()
        with pytest.raises(Overloaded):
            await hasher.hash("correct horse")
        await asyncio.gather(*callers, return_exceptions=True)

    async def test_lone_surrogate_is_a_character_like_others(
        self, hasher: Argon2PasswordHasher
    ) -> None:
        stored = await hasher.hash("correct \ud800 horse")
        assert await hasher.verify(stored, "correct \ud800 horse")
        assert not await hasher.verify(stored, "correct \ud801 horse")

    async def test_concurrent_callers_get_their_own_answers(self) -> None:
        hasher = Argon2PasswordHasher(CHEAP, workers=3, backlog=100)
        stored = {word: await hasher.hash(word) for word in ("one", "two")}
        asked = [("one", "one"), ("one", "two"), ("two", "two"), (None, "one"), ("two", "x")] * 20
        answers = await asyncio.gather(
            *(hasher.verify(stored.get(name or ""), password) for name, password in asked)
        )
        assert answers == [name == password for name, password in asked]
        hasher.close()

    def test_default_cost_is_the_minimum_of_owasp(self) -> None:
        assert Argon2Cost() == Argon2Cost(memory_kib=19456, passes=2, lanes=1)
