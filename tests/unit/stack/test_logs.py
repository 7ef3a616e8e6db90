"""`make logs` shows the lines of the log files as they are written."""

import io
import threading
from pathlib import Path

import pytest

from stack.console import Console
from stack.logs import follow
from stack.process import StackError, log_file
from tests.stack import eventually


@pytest.fixture
def data(tmp_path: Path) -> Path:
    log_file(tmp_path, "auth").parent.mkdir()
    for name in ("auth", "edge"):
        log_file(tmp_path, name).write_text(f"first line of {name}\n")
    return tmp_path


class Follower:
    """`make logs` on a thread."""

    def __init__(self, data: Path, service: str = "") -> None:
        self._shown = io.StringIO()
        self._interrupted = threading.Event()
        arguments = (data, service, Console(self._shown), self._interrupted)
        self._thread = threading.Thread(target=follow, args=arguments)
        self._thread.start()

    @property
    def lines(self) -> list[str]:
        return self._shown.getvalue().splitlines()

    def wait_for(self, line: str) -> None:
        eventually(lambda: line in self.lines, f"{line!r} is shown")

    def end(self) -> None:
        self._interrupted.set()
        self._thread.join()


class TestFollow:
    def test_lines_of_every_file_are_shown_behind_its_name(self, data: Path) -> None:
        follower = Follower(data)
        follower.wait_for("     auth | first line of auth")
        follower.wait_for("     edge | first line of edge")
        follower.end()

    def test_lines_that_are_added_are_shown_once_they_are_whole(self, data: Path) -> None:
        follower = Follower(data)
        follower.wait_for("     auth | first line of auth")
        with log_file(data, "auth").open("a") as log:
            log.write("second ")
            log.flush()
            log.write("line\n")
        follower.wait_for("     auth | second line")
        follower.end()

    def test_file_of_a_stack_that_started_again_is_followed(self, data: Path) -> None:
        follower = Follower(data)
        follower.wait_for("     auth | first line of auth")
        file = log_file(data, "auth")
        file.rename(file.with_suffix(".before"))
        file.write_text("after the start\n")
        follower.wait_for("     auth | after the start")
        follower.end()

    def test_one_process_alone_is_shown(self, data: Path) -> None:
        follower = Follower(data, "edge")
        follower.wait_for("     edge | first line of edge")
        follower.end()
        assert follower.lines == ["     edge | first line of edge"]

    def test_unknown_process_is_an_error_that_names_the_known_ones(self, data: Path) -> None:
        with pytest.raises(StackError, match=r"no log of 'likes'. There are: auth, edge"):
            follow(data, "likes", Console(io.StringIO()), threading.Event())

    def test_data_without_logs_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(StackError, match="make up"):
            follow(tmp_path, "", Console(io.StringIO()), threading.Event())
