"""The list of processes, and the table that `make status` prints."""

import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from stack import status
from stack.status import Entry


class _Ok(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a server that answers 200."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Ok) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


class TestTable:
    def test_process_that_answers_is_healthy(self, port: int) -> None:
        entry = Entry("auth", os.getpid(), [port], f"http://127.0.0.1:{port}/readyz", "python3")
        table, well = status.table([entry])
        assert well
        assert table.splitlines()[1].split()[:5] == [
            *("auth", "running", "healthy", str(os.getpid()), str(port))
        ]

    def test_open_port_is_healthy_where_there_is_no_address_to_ask(self, port: int) -> None:
        assert status.table([Entry("valkey", os.getpid(), [port], "", "valkey-server")])[1]

    def test_process_that_does_not_answer_is_unhealthy(self) -> None:
        table, well = status.table([Entry("auth", os.getpid(), [1], "http://127.0.0.1:1/", "x")])
        assert not well
        assert "running  unhealthy" in table

    def test_process_that_has_ended_is_named(self) -> None:
        table, well = status.table([Entry("auth", ended_process(), [1], "", "x")])
        assert not well
        assert table.splitlines()[1].split()[:3] == ["auth", "ended", "-"]

    def test_version_is_that_of_the_program(self) -> None:
        assert status.version_of(sys.executable) == f"Python {sys.version.split()[0]}"

    def test_numbers_in_the_path_are_not_the_version(self, tmp_path: Path) -> None:
        program = tmp_path / "python3.11" / "envoy"
        program.parent.mkdir()
        program.write_text('#!/bin/sh\necho "$0 version: 12ab/1.40.0/Clean"\n')
        program.chmod(0o755)
        assert status.version_of(str(program)) == "Envoy 1.40.0"


class TestRead:
    def test_nothing_runs_in_a_folder_that_is_not_locked(self, tmp_path: Path) -> None:
        status.write(tmp_path, {}, lambda _: [])
        assert status.read(tmp_path) == []

    def test_nothing_runs_in_a_folder_that_does_not_exist(self, tmp_path: Path) -> None:
        assert status.read(tmp_path / "data") == []
