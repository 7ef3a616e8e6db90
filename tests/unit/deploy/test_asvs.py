"""The comparison of docs/asvs.md with the rows of ASVS and the markers of tests."""

from collections.abc import Sequence

import pytest

from deploy.asvs import LEVELS, Mark, Row, marks_in, problems, rows, table

MARK = "@pytest.mark.asvs"


def met(row: str) -> Row:
    return Row(row, str(LEVELS[row]), "met", "we do")


ALL = [met(row) for row in LEVELS]
SHOWN = [Mark(row, "tests/test_a.py::test_a") for row in LEVELS]


def found(rows: Sequence[Row], marks: Sequence[Mark] = SHOWN) -> list[str]:
    return list(problems(rows, marks))


class TestLevels:
    def test_chapters_have_as_many_rows_of_each_level_as_the_standard(self) -> None:
        counted = {
            chapter: [
                sum(level == wanted for row, level in LEVELS.items() if row.startswith(chapter))
                for wanted in (1, 2, 3)
            ]
            for chapter in ("6.", "7.", "9.")
        }
        assert counted == {"6.": [13, 22, 12], "7.": [6, 12, 1], "9.": [4, 3, 0]}


class TestRows:
    def test_row_of_a_table_is_read(self) -> None:
        text = "# Title\n| row | level | about | status | what we do |\n| --- | --- | --- |\n"
        text += "| 6.1.1 | 1 | limits | not met | we do not |\n| 6.1.2 | 2 | words | met | |\n"
        assert rows(text) == [
            Row("6.1.1", "1", "not met", "we do not"),
            Row("6.1.2", "2", "met", ""),
        ]


class TestProblems:
    def test_complete_document_has_none(self) -> None:
        assert found(ALL) == []

    def test_missing_and_repeated_rows_are_named(self) -> None:
        assert found([*ALL[1:], ALL[-1]]) == [
            "docs/asvs.md: 6.1.1 has no lines; it needs one",
            "docs/asvs.md: 9.2.4 has 2 lines; it needs one",
        ]

    def test_row_that_is_met_without_a_test_is_named(self) -> None:
        assert found(ALL, SHOWN[1:]) == [
            "docs/asvs.md: 6.1.1 is met, but no test has the marker asvs('6.1.1')"
        ]

    def test_row_that_does_not_apply_needs_no_test(self) -> None:
        assert found([Row("6.1.1", "1", "does not apply", "no"), *ALL[1:]], SHOWN[1:]) == []

    @pytest.mark.parametrize(
        ("row", "problem"),
        [
            (Row("6.1.1", "2", "met", "we do"), "6.1.1 says level 2; it is level 1"),
            (Row("6.1.1", "1", "done", "we do"), "6.1.1 is 'done'; it must be one of"),
            (Row("6.1.1", "1", "met", ""), "6.1.1 does not say what we do"),
            (Row("6.1.1", "1", "not met", "no"), "6.1.1 is not met, and all of level 1 must be"),
        ],
    )
    def test_row_with_another_level_status_or_no_explanation_is_named(
        self, row: Row, problem: str
    ) -> None:
        (line,) = found([row, *ALL[1:]])
        assert line.startswith(f"docs/asvs.md: {problem}")

    def test_unknown_row_of_the_document_and_of_a_marker_is_named(self) -> None:
        unknown = Row("8.1.1", "1", "met", "we do")
        assert found([*ALL, unknown], [*SHOWN, Mark("8.1.1", "test_b")]) == [
            "docs/asvs.md: 8.1.1 is no row of V6, V7 or V9",
            "test_b: its marker names 8.1.1, which is no row of V6, V7 or V9",
        ]


class TestMarks:
    def test_markers_of_functions_methods_classes_and_files_are_found(self) -> None:
        source = f"""
pytestmark = [pytest.mark.asvs("6.1.1")]
{MARK}("6.2.1", "6.2.2")
@pytest.mark.parametrize("x", [1])
async def test_a(x): ...
{MARK}("6.2.3")
class TestB:
    {MARK}("6.2.4")
    def test_c(self): ...
"""
        assert marks_in(source, "f.py") == [
            Mark("6.1.1", "f.py"),
            Mark("6.2.1", "f.py::test_a"),
            Mark("6.2.2", "f.py::test_a"),
            Mark("6.2.3", "f.py::TestB"),
            Mark("6.2.4", "f.py::TestB::test_c"),
        ]

    @pytest.mark.parametrize(
        "source",
        [
            f"{MARK}('6.2.1')\ndef helper(): ...\n",
            f"def test_a():\n    {MARK}('6.2.1')\n    def test_b(): ...\n",
            f"{MARK}(ROW)\ndef test_a(): ...\n",
            f"{MARK}()\ndef test_a(): ...\n",
        ],
    )
    def test_marker_in_vain_is_an_error(self, source: str) -> None:
        with pytest.raises(ValueError, match=r"^f\.py, line \d"):
            marks_in(source, "f.py")


class TestTable:
    def test_line_names_level_status_and_tests_and_the_end_counts(self) -> None:
        text = table([met("6.1.1"), Row("6.3.3", "2", "not met", "no")], SHOWN)
        assert text.splitlines() == [
            "6.1.1   L1  met             tests/test_a.py::test_a",
            "6.3.3   L2  not met         tests/test_a.py::test_a",
            "Level 1: 1 met, 0 not met, 0 does not apply.",
            "Level 2: 0 met, 1 not met, 0 does not apply.",
        ]
