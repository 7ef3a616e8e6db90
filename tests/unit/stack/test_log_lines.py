"""The lines that a quiet console leaves out."""

import io

import pytest

from stack.console import Console
from stack.log_lines import below_error, below_warning

INFO = "2026-01-31T12:00:00.000000Z [info     ] Started server process [7]  [uvicorn.error]"
WARNING = "2026-01-31T12:00:00.000000Z [warning  ] redis unavailable       [chassis.streams]"
ERROR = "2026-01-31T12:00:00.000000Z [error    ] request failed          [chassis.app]"
TRACEBACK = "Traceback (most recent call last):"
ROUTER_INFO = '{"timestamp":"2026-01-31T12:00:00Z","level":"INFO","message":"started"}'
ROUTER_WARNING = '{"timestamp":"2026-01-31T12:00:00Z","level":"WARN","message":"deprecated"}'
ROUTER_ERROR = '{"timestamp":"2026-01-31T12:00:00Z","level":"ERROR","message":"no schema"}'


class TestBelowWarning:
    @pytest.mark.parametrize("line", [INFO, ROUTER_INFO, '{"event": "request", "level": "info"}'])
    def test_information_is_routine(self, line: str) -> None:
        assert below_warning(line)

    @pytest.mark.parametrize("line", [WARNING, ERROR, ROUTER_WARNING, ROUTER_ERROR])
    def test_warnings_and_errors_are_not_routine(self, line: str) -> None:
        assert not below_warning(line)

    @pytest.mark.parametrize("line", [TRACEBACK, '  File "x.py", line 1', "printed", ""])
    def test_line_without_a_level_is_not_routine(self, line: str) -> None:
        assert not below_warning(line)


class TestBelowError:
    def test_warning_is_routine(self) -> None:
        assert below_error(ROUTER_WARNING)

    def test_error_is_not_routine(self) -> None:
        assert not below_error(ROUTER_ERROR)


class TestConsole:
    def test_quiet_console_leaves_routine_lines_out(self) -> None:
        shown = io.StringIO()
        console = Console(shown, quiet=True)
        console.line("auth", "started", routine=True)
        console.line("auth", "failed")
        assert shown.getvalue() == "     auth | failed\n"

    def test_other_console_shows_every_line(self) -> None:
        shown = io.StringIO()
        Console(shown).line("auth", "started", routine=True)
        assert shown.getvalue() == "     auth | started\n"
