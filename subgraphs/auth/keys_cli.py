"""The commands `keys …`, which make the file with the signing keys and change it."""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chassis.settings import read_environment
from subgraphs.auth import key_file
from subgraphs.auth.keys import KeyRing, SigningKey, TooEarlyError, Waits
from subgraphs.auth.settings import access_token_lifetime
from subgraphs.auth.tokens import CLOCK_TOLERANCE

SETTING = "AUTH_SIGNING_KEYS_FILE"
_PIPE = "-"


def add_commands(keys: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands to the parser of `keys`."""
    for name, run, text in (
        ("init", _init, "make the file with one new key, unless it exists"),
        ("list", _list, "print id, use and age of each key, and the next step of a rotation"),
        ("rotate", _rotate, "take the next step of a rotation; fails until it is due"),
        ("replace", _replace, "replace all keys by a new one: every access token is refused"),
    ):
        parser = keys.add_parser(name, help=text, description=text)
        parser.add_argument(
            "file",
            nargs="?",
            help=f"by default the one in {SETTING}; - reads standard input and writes the result "
            "to standard output",
        )
        parser.set_defaults(run=run)
        if run is _rotate:
            text = "take all steps that are left, and wait before each until it is due"
            parser.add_argument("--wait", action="store_true", help=text)


def _init(arguments: argparse.Namespace) -> None:
    if _put_new_ring(arguments, replace=False):
        print(f"{_path(arguments)} is new", file=sys.stderr)


def _list(arguments: argparse.Namespace) -> None:
    ring = _read(arguments)
    for key in ring.keys:
        print(key.key.id, key.use, "since", key.since.isoformat(timespec="seconds"))
    print(f"next step: {ring.next_step()}, due {ring.due(_waits()).isoformat(timespec='seconds')}")


def _rotate(arguments: argparse.Namespace) -> None:
    waits = _waits()
    if arguments.file == _PIPE:
        if arguments.wait:
            sys.exit("auth: --wait needs a file")
        print(_stepped(_read(arguments), waits).serialize(), end="")
        return
    path = _path(arguments)
    while True:
        with _reported(path), key_file.locked(path):
            ring = key_file.read(path)
            if arguments.wait and (seconds := (ring.due(waits) - _now()).total_seconds()) > 0:
                print(f"{ring.next_step()} is due in {seconds:.0f} s", file=sys.stderr)
            else:
                ring, seconds = _stepped(ring, waits), 0
                key_file.write(path, ring)
        if not arguments.wait or (not seconds and len(ring.keys) == 1):
            return
        time.sleep(seconds)


def _replace(arguments: argparse.Namespace) -> None:
    _put_new_ring(arguments, replace=True)


def _put_new_ring(arguments: argparse.Namespace, *, replace: bool) -> bool:
    """Put a ring of one new key where the arguments say. Return whether a file was written."""
    ring = KeyRing.of(SigningKey.generate(), _now())
    if arguments.file == _PIPE:
        print(ring.serialize(), end="")
        return False
    path = _path(arguments)
    with _reported(path), key_file.locked(path):
        if path.exists() and not replace:
            return False
        key_file.write(path, ring)
    return True


def _stepped(ring: KeyRing, waits: Waits) -> KeyRing:
    """Return the ring after the next step, and report it. Exits if it is not due."""
    try:
        rotated = ring.rotated(_now(), waits)
    except TooEarlyError as error:
        sys.exit(f"auth: {error}; before that, it would refuse good tokens")
    print(
        f"done: {ring.next_step()}. Next: {rotated.next_step()}, due "
        f"{max(rotated.due(waits), _now()).isoformat(timespec='seconds')}",
        file=sys.stderr,
    )
    return rotated


def _read(arguments: argparse.Namespace) -> KeyRing:
    if arguments.file == _PIPE:
        try:
            return KeyRing.parse(sys.stdin.read())
        except ValueError as error:
            sys.exit(f"auth: standard input holds no key ring: {error}")
    path = _path(arguments)
    with _reported(path):
        return key_file.read(path)


def _path(arguments: argparse.Namespace) -> Path:
    if arguments.file:
        return Path(arguments.file)
    with read_environment() as read:
        name = read.text(SETTING)
    return Path(name)


def _waits() -> Waits:
    with read_environment() as read:
        spread = read.integer("AUTH_SIGNING_KEYS_WAIT_SECONDS", 600, at_least=1)
        lifetime = access_token_lifetime(read)
    return Waits(timedelta(seconds=spread), lifetime + CLOCK_TOLERANCE)


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Exit with the reason if the file cannot be read or written."""
    try:
        yield
    except ValueError as error:
        sys.exit(f"auth: {error}")
    except OSError as error:
        sys.exit(f"auth: {path} cannot be written: {error.strerror}")


def _now() -> datetime:
    return datetime.now(UTC)
