"""Pages that have nothing to build are made first; the others are made on a thread."""

import io
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from stack.console import Console
from stack.pages import Page, Pages
from stack.process import Process, StackError
from tests.stack import eventually


def process(name: str) -> Process:
    return Process(name, ["true"], console=Console(io.StringIO()))


class World:
    """A page that is built, and one that waits for `gate` while it is built."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.pages = Pages(
            {
                "built": Page(lambda: True, lambda: process("built")),
                "slow": Page(lambda: False, self._build),
            }
        )

    def _build(self) -> Process:
        self.gate.wait(30)
        return process("slow")


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.gate.set()
    made.pages.close()


def names(taken: Iterator[tuple[str, "Future[Process]"]]) -> list[str]:
    return [name for name, _ in taken]


class TestPages:
    def test_only_what_is_built_is_made_at_first(self, world: World) -> None:
        world.gate.set()
        world.pages.make(all_of_them=False)
        assert names(world.pages.take(wait=True)) == ["built"]
        assert world.pages.missing == {"slow"}

    def test_page_is_missing_until_it_is_built_and_taken_once(self, world: World) -> None:
        world.pages.make(all_of_them=True)
        assert names(world.pages.take(wait=False)) in ([], ["built"])
        assert "slow" in world.pages.missing
        world.gate.set()
        taken: list[str] = []

        def is_taken() -> bool:
            taken.extend(names(world.pages.take(wait=False)))
            return "slow" in taken

        eventually(is_taken, "the slow page is taken")
        assert world.pages.missing == set()
        assert names(world.pages.take(wait=True)) == []

    def test_failure_of_a_build_is_that_of_its_page_alone(self) -> None:
        def fail() -> Process:
            raise StackError("npm failed")

        pages = Pages(
            {
                "broken": Page(lambda: False, fail),
                "whole": Page(lambda: False, lambda: process("whole")),
            }
        )
        pages.make(all_of_them=True)
        results = dict(pages.take(wait=True))
        pages.close()
        with pytest.raises(StackError, match="npm failed"):
            results["broken"].result()
        assert results["whole"].result().name == "whole"
