"""A backfill ends with the owner's state for every order of its steps."""

import asyncio

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.unit.chassis.backfill_world import IDS, World, settle

Choice = tuple[str, int]

CHOICES = st.lists(
    st.one_of(
        st.tuples(st.just("resume"), st.integers(0, 7)),
        st.tuples(st.just("resume"), st.integers(0, 7)),
        st.tuples(st.sampled_from(["change", "delete"]), st.sampled_from(IDS)),
        st.tuples(st.just("publish"), st.just(0)),
        st.tuples(st.just("kill"), st.integers(0, 2)),
        st.tuples(st.sampled_from(["again", "lose group"]), st.just(0)),
    ),
    max_size=40,
)


async def lived(choices: list[Choice], before: list[int], *, kept: int, locks: bool) -> World:
    """Return a finished world: the owner starts with `before`, then these choices are made."""
    world = World(kept=kept, locks=locks)
    for subject in before:
        world.change(subject)
        world.publish()
    await world.start()
    for what, number in choices:
        match what:
            case "resume":
                await world.steps.resume(number)
            case "change":
                world.change(number)
            case "delete":
                world.delete(number)
            case "publish":
                world.publish()
            case "kill":
                await world.kill(number)
            case "again":
                await world.again()
            case "lose group":
                world.lose_group()
        await settle()
    await world.end()
    return world


SUBJECTS = st.lists(st.sampled_from(IDS), unique=True)
KEPT = st.integers(0, 3)


class TestInterleavings:
    @given(CHOICES, SUBJECTS, KEPT)
    @settings(
        max_examples=60,
        deadline=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
        suppress_health_check=[HealthCheck.too_slow],
    )
    def test_copy_ends_as_the_owners_state(
        self, choices: list[Choice], before: list[int], kept: int
    ) -> None:
        world = asyncio.run(lived(choices, before, kept=kept, locks=True))
        assert world.copy == world.state

    def test_without_the_lock_a_deleted_subject_comes_back(self) -> None:
        """Shows that the property can fail: without the lock this order is possible."""
        ends = []
        for locks in (False, True):
            # The page is read, then the deletion is handled, then the page is applied.
            choices = [("resume", 1), ("delete", 1), ("publish", 0)]
            choices += [("resume", 0)] * 3
            world = asyncio.run(lived(choices, [1], kept=0, locks=locks))
            ends.append((world.copy, world.state))
        assert ends == [({1: 1}, {}), ({}, {})]
