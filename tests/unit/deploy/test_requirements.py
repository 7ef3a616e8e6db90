"""The lists of pinned packages agree with each other."""

import re

from chassis.topology import ROOT


def pins(name: str) -> set[str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return set(re.findall(r"^([\w.\[\]-]+==[^\s;]+)", text, re.MULTILINE))


class TestLists:
    def test_development_contains_every_pin_of_the_stack(self) -> None:
        """`make check` adds to an environment that `make up` has made, without a change."""
        assert len(pins("stack")) > 20
        assert pins("stack") <= pins("dev")
