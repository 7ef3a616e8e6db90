"""Installs the pinned Apollo Router in the cache: the official release, or a build from source."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.request
from pathlib import Path
from urllib.error import HTTPError, URLError

from stack.commands import Commands
from stack.console import Console
from stack.live_line import Step
from stack.process import ROOT, StackError, StoppedError
from stack.router import VERSION, cached_binary, find_cached, version_of

RELEASE = f"https://github.com/apollographql/router/releases/download/v{VERSION}"
TARGETS = {
    ("Linux", "x86_64"): "x86_64-unknown-linux-gnu",
    ("Linux", "aarch64"): "aarch64-unknown-linux-gnu",
    ("Darwin", "arm64"): "aarch64-apple-darwin",
}
OLDEST_RUST = (1, 95)
PROTOC_REQUIREMENTS = ROOT / "requirements" / "protoc.txt"
_REACHABLE = 5.0
"""Seconds to connect, and to wait for the list of checksums."""
_STALLED = 30.0
"""Seconds without a byte after which the download of the archive fails."""
_CHUNK = 1 << 16  # bytes


def bring(commands: Commands, release: str = RELEASE) -> None:
    """Download the release; if that fails, show why and build the router from source."""
    if _is_installed(commands.console):
        return
    try:
        download(commands.console, commands.interrupted, release)
    except (OSError, StackError) as problem:
        commands.console.error(f"The release cannot be downloaded: {describe(problem)}")
        commands.console.step("Building it instead (make router-from-source)")
        build(commands)


class Download:
    """A download of the release on a thread, beside a stack that starts."""

    def __init__(self, commands: Commands, release: str) -> None:
        self.problem = ""
        """Why the download failed; empty while it runs and when it has succeeded."""
        self._commands = commands
        self._release = release
        self._thread = threading.Thread(target=self._run, name="router-download", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def wait(self, timeout: float) -> None:
        """Return when the download has ended, or after `timeout` seconds."""
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            download(self._commands.console, self._commands.interrupted, self._release)
        except StoppedError:
            self.problem = "the download was interrupted"
        except (OSError, StackError) as problem:
            self.problem = describe(problem)


def describe(problem: Exception) -> str:
    """Return the reason of a failed download, without what urllib and the system wrap it in."""
    if isinstance(problem, HTTPError):
        return str(problem)
    reason = problem.reason if isinstance(problem, URLError) else problem
    return (reason.strerror if isinstance(reason, OSError) else None) or str(reason)


def download(console: Console, interrupted: threading.Event, release: str = RELEASE) -> None:
    """Install the archive at the address `release` if it has the checksum that is published there.

    Raises OSError when the address cannot be reached, StackError when there is no archive for this
    machine or its checksum differs, StoppedError when `interrupted` is set.
    """
    target = TARGETS.get((platform.system(), platform.machine()))
    if target is None:
        raise StackError(f"there is no release for {platform.system()} on {platform.machine()}")
    name = f"router-v{VERSION}-{target}.tar.gz"
    expected = _published_checksum(release, name)
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / name
        with console.timed_step(f"Downloading the Apollo Router {VERSION}") as step:
            _fetch(f"{release}/{name}", archive, step, interrupted)
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != expected:
            raise StackError(f"{name} has the checksum {found}; its release publishes {expected}")
        _install(_unpack(archive, Path(scratch) / "router"), console)


def build(commands: Commands) -> None:
    """Build the router with cargo: about 25 minutes on two cores. Raises StackError."""
    if _is_installed(commands.console):
        return
    cargo = _demand_rust()
    target = cached_binary().parents[1] / "build"  # kept until it succeeds, so a retry goes on
    with tempfile.TemporaryDirectory() as scratch:
        commands.console.step("Installing protoc, the compiler that the build needs")
        commands.run("venv", sys.executable, "-m", "venv", "--without-pip", f"{scratch}/venv")
        python = f"{scratch}/venv/bin/python"
        commands.run("install", ROOT / "stack" / "install.sh", python, PROTOC_REQUIREMENTS)
        commands.console.step(
            f"Building the Apollo Router {VERSION}: about 25 minutes on two cores"
        )
        commands.run(
            "cargo",
            *(cargo, "install", "apollo-router", "--locked", "--version", VERSION),
            *("--bin", "router", "--root", f"{scratch}/out", "--no-track"),
            environment=os.environ
            | {
                "PROTOC": f"{scratch}/venv/bin/protoc",
                "CARGO_TARGET_DIR": str(target),
                "CARGO_TERM_PROGRESS_WHEN": "never",
            },
        )
        _install(Path(scratch) / "out" / "bin" / "router", commands.console)
    shutil.rmtree(target, ignore_errors=True)


def _is_installed(console: Console) -> bool:
    binary = find_cached()
    if binary is None or version_of(binary) != VERSION:
        return False
    console.step(f"The Apollo Router {VERSION} is installed: {binary}")
    return True


def _install(binary: Path, console: Console) -> None:
    """Move a binary that runs into the cache, whole or not at all. Raises StackError."""
    binary.chmod(0o755)
    if version_of(binary) != VERSION:
        raise StackError(f"the binary does not run on this machine, or is not version {VERSION}")
    target = cached_binary()
    target.parent.mkdir(parents=True, exist_ok=True)
    # Two stacks may install at the same time.
    unfinished = target.with_suffix(f".{os.getpid()}")
    shutil.copy2(binary, unfinished)
    unfinished.rename(target)
    console.step(f"The Apollo Router {VERSION} is installed: {target}")


def _published_checksum(release: str, name: str) -> str:
    sums = f"{release}/sha256sums.txt"
    with urllib.request.urlopen(sums, timeout=_REACHABLE) as answer:  # noqa: S310
        for line in answer.read().decode().splitlines():
            checksum, _, file = line.partition(" ")
            if file.strip().removeprefix("*") == name:
                return str(checksum)
    raise StackError(f"the release publishes no checksum of {name}")


def _fetch(url: str, to: Path, step: Step, interrupted: threading.Event) -> None:
    """Save the body of `url` and show the progress."""
    with urllib.request.urlopen(url, timeout=_STALLED) as answer, to.open("wb") as file:  # noqa: S310
        total = int(answer.headers.get("content-length") or 0)
        while chunk := answer.read1(_CHUNK):
            if interrupted.is_set():
                raise StoppedError
            file.write(chunk)
            if total:
                step.detail = f"{100 * file.tell() // total} % of {total / 1e6:.0f} MB"
        step.detail = f"{file.tell() / 1e6:.0f} MB"


def _unpack(archive: Path, to: Path) -> Path:
    """Extract the router's binary from the release's archive. Raises StackError."""
    try:
        with tarfile.open(archive) as tar, to.open("wb") as file:
            packed = tar.extractfile("dist/router")
            if packed is None:
                raise StackError(f"{archive.name} holds no router")
            shutil.copyfileobj(packed, file)
    except (tarfile.TarError, KeyError) as problem:
        raise StackError(f"{archive.name} holds no router") from problem
    return to


def _demand_rust() -> str:
    """Return the path of cargo. Raises StackError when it is missing or too old."""
    cargo, rustc = shutil.which("cargo"), shutil.which("rustc")
    wanted = ".".join(map(str, OLDEST_RUST))
    if cargo is None or rustc is None:
        raise StackError(f"The build needs cargo and rustc ≥ {wanted}: https://rustup.rs")
    printed = subprocess.run(
        [rustc, "--version"], capture_output=True, text=True, check=False
    ).stdout
    version = printed.split()[1] if len(printed.split()) > 1 else "0.0"
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_RUST:
        raise StackError(f"The build needs rustc ≥ {wanted}; this is {version}. Run: rustup update")
    return cargo
