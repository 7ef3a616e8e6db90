"""Brings the pinned Apollo Router into the cache: the official release, or a build of our own."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from stack.commands import Commands
from stack.console import Console
from stack.process import ROOT, StackError
from stack.router import VERSION, cached_binary, version_of

RELEASE = f"https://github.com/apollographql/router/releases/download/v{VERSION}"
TARGETS = {
    ("Linux", "x86_64"): "x86_64-unknown-linux-gnu",
    ("Linux", "aarch64"): "aarch64-unknown-linux-gnu",
    ("Darwin", "arm64"): "aarch64-apple-darwin",
}
OLDEST_RUST = (1, 95)
PROTOC_REQUIREMENTS = ROOT / "requirements" / "protoc.txt"
_TIMEOUT = 15.0


def bring(commands: Commands) -> None:
    """Downloads the release; where that fails, says why and builds it."""
    if _is_here(commands.console):
        return
    try:
        download(commands.console)
    except (OSError, StackError) as problem:
        commands.console.error(f"The release cannot be downloaded: {problem}")
        commands.console.step("Building it instead (make router-from-source)")
        build(commands)


def download(console: Console) -> None:
    """Raises OSError or StackError when it is out of reach, or not what its checksum says."""
    target = TARGETS.get((platform.system(), platform.machine()))
    if target is None:
        raise StackError(f"there is no release for {platform.system()} on {platform.machine()}")
    name = f"router-v{VERSION}-{target}.tar.gz"
    console.step(f"Downloading {RELEASE}/{name}")
    expected = _published_checksum(name)
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / name
        _fetch(f"{RELEASE}/{name}", archive, console)
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != expected:
            raise StackError(f"{name} has the checksum {found}, its release says {expected}")
        binary = Path(scratch) / "router"
        with tarfile.open(archive) as tar, binary.open("wb") as file:
            packed = tar.extractfile("dist/router")
            if packed is None:
                raise StackError(f"{name} holds no router")
            shutil.copyfileobj(packed, file)
        _install(binary, console)


def build(commands: Commands) -> None:
    """Builds it with cargo: about 25 minutes on two cores. Raises StackError when it cannot."""
    if _is_here(commands.console):
        return
    cargo = _demand_rust()
    target = cached_binary().parents[1] / "build"  # kept until it succeeds, so a retry goes on
    with tempfile.TemporaryDirectory() as scratch:
        commands.console.step("Installing protoc, the compiler that the build needs")
        commands.run("venv", sys.executable, "-m", "venv", f"{scratch}/venv")
        pip = (f"{scratch}/venv/bin/python", "-m", "pip", "install", "--quiet")
        commands.run("pip", *pip, "--require-hashes", "-r", PROTOC_REQUIREMENTS)
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


def _is_here(console: Console) -> bool:
    here = cached_binary().exists() and version_of(cached_binary()) == VERSION
    if here:
        console.step(f"The Apollo Router {VERSION} is here: {cached_binary()}")
    return here


def _install(binary: Path, console: Console) -> None:
    """Moves a binary that runs into the cache, whole or not at all."""
    binary.chmod(0o755)
    if version_of(binary) != VERSION:
        raise StackError(f"the binary does not run here, or is not {VERSION}")
    target = cached_binary()
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    shutil.copy2(binary, unfinished)
    unfinished.rename(target)
    console.step(f"The Apollo Router {VERSION} is in {target}")


def _published_checksum(name: str) -> str:
    sums = f"{RELEASE}/sha256sums.txt"
    with urllib.request.urlopen(sums, timeout=_TIMEOUT) as answer:  # noqa: S310
        for line in answer.read().decode().splitlines():
            checksum, _, file = line.partition(" ")
            if file.strip().removeprefix("*") == name:
                return str(checksum)
    raise StackError(f"the release publishes no checksum of {name}")


def _fetch(url: str, to: Path, console: Console) -> None:
    with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer, to.open("wb") as file:  # noqa: S310
        total = int(answer.headers.get("content-length") or 0)
        shown = 0
        while chunk := answer.read(1 << 18):
            file.write(chunk)
            percent = 100 * file.tell() // total if total else 0
            if percent >= shown + 10:
                shown = percent - percent % 10
                console.line("download", f"{shown} %")


def _demand_rust() -> str:
    cargo, rustc = shutil.which("cargo"), shutil.which("rustc")
    wanted = ".".join(map(str, OLDEST_RUST))
    if cargo is None or rustc is None:
        raise StackError(f"The build needs cargo and rustc ≥ {wanted}: https://rustup.rs")
    said = subprocess.run([rustc, "--version"], capture_output=True, text=True, check=False).stdout
    version = said.split()[1] if len(said.split()) > 1 else "0.0"
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_RUST:
        raise StackError(f"The build needs rustc ≥ {wanted}; this is {version}. Run: rustup update")
    return cargo
