"""The closing box."""

from stack.box import box, plain

ROWS = [("API", "http://localhost:4000/graphql"), ("Stop", "Ctrl-C")]


class TestBox:
    def test_rows_stand_in_a_frame(self) -> None:
        assert box("Wren serves", ROWS, 80).splitlines() == [
            "┌─ Wren serves ───────────────────────┐",
            "│ API   http://localhost:4000/graphql │",
            "│ Stop  Ctrl-C                        │",
            "└─────────────────────────────────────┘",
        ]

    def test_long_title_widens_the_frame(self) -> None:
        lines = box("A title that is long", [("a", "b")], 80).splitlines()
        assert {len(line) for line in lines} == {26}

    def test_narrow_terminal_gets_plain_lines(self) -> None:
        assert box("Wren serves", ROWS, 30) == plain("Wren serves", ROWS)

    def test_plain_lines_have_no_frame(self) -> None:
        assert plain("Wren serves", ROWS).splitlines() == [
            "Wren serves.",
            "  API   http://localhost:4000/graphql",
            "  Stop  Ctrl-C",
        ]
