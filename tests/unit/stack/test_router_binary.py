"""The Apollo Router is downloaded from a local server that stands for the release's."""

import io
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.commands import Commands
from stack.console import Console
from stack.ports import free_ports
from stack.process import StackError, StoppedError
from stack.router import VERSION, cached_binary, find_cached
from stack.router_binary import Download, download
from tests.release import Release

NEVER = threading.Event()


@pytest.fixture
def release(tmp_path: Path) -> Iterator[Release]:
    folder = tmp_path / "release"
    folder.mkdir()
    made = Release(folder)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def shown() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def console(shown: io.StringIO) -> Console:
    return Console(shown)


class TestDownload:
    def test_release_is_installed_in_the_cache(
        self, release: Release, console: Console, shown: io.StringIO
    ) -> None:
        download(console, NEVER, release.url)
        assert find_cached() == cached_binary()
        assert re.search(r"Downloading the Apollo Router .*  0 MB  \d", shown.getvalue())

    def test_wrong_checksum_installs_nothing(self, release: Release, console: Console) -> None:
        for archive in release.archives:
            archive.write_bytes(archive.read_bytes() + b"x")
        with pytest.raises(StackError, match="has the checksum"):
            download(console, NEVER, release.url)
        assert find_cached() is None

    def test_archive_without_a_router_installs_nothing(
        self, release: Release, console: Console
    ) -> None:
        release.publish(b"#!/bin/sh\n", "dist/other")
        with pytest.raises(StackError, match="holds no router"):
            download(console, NEVER, release.url)
        assert find_cached() is None

    def test_router_of_another_version_is_not_installed(
        self, release: Release, console: Console
    ) -> None:
        release.publish(b"#!/bin/sh\necho 1.0.0\n")
        with pytest.raises(StackError, match=f"is not version {VERSION}"):
            download(console, NEVER, release.url)
        assert find_cached() is None

    def test_missing_archive_is_an_error(self, release: Release, console: Console) -> None:
        for archive in release.archives:
            archive.unlink()
        with pytest.raises(OSError, match="404"):
            download(console, NEVER, release.url)

    def test_missing_checksum_is_an_error(self, release: Release, console: Console) -> None:
        (release.folder / "sha256sums.txt").write_text("")
        with pytest.raises(StackError, match="publishes no checksum"):
            download(console, NEVER, release.url)

    def test_interruption_ends_a_slow_download(self, release: Release, console: Console) -> None:
        interrupted = threading.Event()
        release.gate.clear()
        raised: list[Exception] = []

        def run() -> None:
            try:
                download(console, interrupted, release.url)
            except StoppedError as stopped:
                raised.append(stopped)

        thread = threading.Thread(target=run)
        thread.start()
        assert release.half_sent.wait(30)
        interrupted.set()
        release.gate.set()
        thread.join(30)
        assert len(raised) == 1
        assert find_cached() is None


class TestDownloadBesideAStart:
    @pytest.fixture
    def commands(self, console: Console) -> Commands:
        return Commands(console, threading.Event())

    def test_slow_download_runs_on(self, release: Release, commands: Commands) -> None:
        release.gate.clear()
        beside = Download(commands, release.url)
        beside.start()
        assert release.half_sent.wait(30)
        beside.wait(0)
        assert beside.running
        assert find_cached() is None
        release.gate.set()
        beside.wait(30)
        assert not beside.running
        assert beside.problem == ""
        assert find_cached() == cached_binary()

    def test_unreachable_server_is_the_reason(self, commands: Commands) -> None:
        beside = Download(commands, f"http://127.0.0.1:{free_ports(1)[0]}")
        beside.start()
        beside.wait(30)
        assert beside.problem == "Connection refused"

    def test_missing_release_is_the_reason(self, release: Release, commands: Commands) -> None:
        beside = Download(commands, f"{release.url}/nothing")
        beside.start()
        beside.wait(30)
        assert beside.problem == "HTTP Error 404: File not found"


class TestFindCached:
    def test_router_that_a_product_of_another_name_installed_is_found(self, cache: Path) -> None:
        binary = cache / "anything" / f"router-{VERSION}" / "bin" / "router"
        binary.parent.mkdir(parents=True)
        binary.touch(mode=0o755)
        assert find_cached() == binary

    def test_router_of_another_version_is_not_found(self, cache: Path) -> None:
        binary = cache / "anything" / "router-1.0.0" / "bin" / "router"
        binary.parent.mkdir(parents=True)
        binary.touch(mode=0o755)
        assert find_cached() is None
