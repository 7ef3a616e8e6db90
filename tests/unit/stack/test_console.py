"""Steps and their times: a line in progress on a terminal, plain lines elsewhere."""

import io
import re
from time import sleep

import pytest

from stack.console import Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")


def wait_until_drawn(terminal: Terminal, text: str) -> None:
    while text not in terminal.getvalue():
        sleep(0.01)


def visible(written: str) -> list[str]:
    """Return the lines that a terminal shows in the end."""
    return [re.split("\r\x1b\\[K", line)[-1] for line in written.split("\n")]


class TestTimedStep:
    def test_without_a_terminal_a_step_is_one_plain_line_with_its_time(self) -> None:
        shown = io.StringIO()
        with Console(shown).timed_step("Migrating the databases"):
            assert shown.getvalue() == ""
        assert re.fullmatch(r"==> Migrating the databases  \d+\.\d s\n", shown.getvalue())

    def test_terminal_shows_steps_in_progress_and_their_detail(self) -> None:
        terminal = Terminal()
        console = Console(terminal)
        with console.timed_step("One") as one, console.timed_step("Two"):
            one.detail = "43 %"
            wait_until_drawn(terminal, "One 43 % 0 s, Two 0 s")

    def test_terminal_keeps_only_whole_lines(self) -> None:
        terminal = Terminal()
        console = Console(terminal)
        with console.timed_step("Working"):
            wait_until_drawn(terminal, "Working 0 s")
            console.line("auth", "a warning")
        lines = visible(terminal.getvalue())
        assert lines[0] == "     auth | a warning"
        assert re.fullmatch(r"==> Working  \d+\.\d s", lines[1])
        assert lines[2:] == [""]

    def test_line_in_progress_fits_into_the_terminal(self) -> None:
        terminal = Terminal()
        with Console(terminal).timed_step("x" * 100):
            wait_until_drawn(terminal, "xxx")
        drawn = re.split("\r\x1b\\[K", terminal.getvalue())
        assert max(map(len, drawn[:-1])) == 39

    def test_failed_step_is_not_shown_as_done(self) -> None:
        terminal = Terminal()
        with pytest.raises(ValueError, match="no"), Console(terminal).timed_step("Working"):
            raise ValueError("no")
        assert "==>" not in terminal.getvalue()

    def test_console_that_shares_its_terminal_draws_nothing(self) -> None:
        terminal = Terminal()
        with Console(terminal, live=False).timed_step("Downloading"):
            sleep(0.05)
            assert terminal.getvalue() == ""

    def test_dumb_terminal_gets_plain_lines(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TERM", "dumb")
        terminal = Terminal()
        with Console(terminal).timed_step("Working"):
            pass
        assert "\x1b" not in terminal.getvalue()
