"""The file with the signing keys, which is read again while the process runs."""

import asyncio
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from subgraphs.auth.keys import KeyRing

POLL = 2.0
"""Seconds between two readings of the file."""

_log = structlog.get_logger("auth.keys")


def read(path: Path) -> KeyRing:
    """Return the ring in a file. Raises ValueError, whose message names the file and no key."""
    return _parse(path, _content(path))


async def follow(
    path: Path,
    current: KeyRing,
    changed: Callable[[KeyRing], None],
    *,
    record: Callable[[bool], None],
    poll: float = POLL,
) -> None:
    """Read the file again and again; call `changed` with each ring that differs from the last.

    The content is compared: Kubernetes replaces a symbolic link, so times say nothing. While the
    file cannot be read, the last ring stays in use; `record` is called with whether it can.
    """
    text, problem = current.serialize(), ""
    record(True)
    while True:
        await asyncio.sleep(poll)
        try:
            ring = await asyncio.to_thread(read, path)
        except ValueError as error:
            if str(error) != problem:
                _log.error("signing keys unreadable", reason=str(error))
            problem = str(error)
            record(False)
            continue
        record(True)
        problem = ""
        if ring.serialize() != text:
            text = ring.serialize()
            changed(ring)
            _log.info(
                "signing keys changed",
                signing=ring.signing.id,
                keys={key.key.id: str(key.use) for key in ring.keys},
            )


def write(path: Path, ring: KeyRing) -> None:
    """Replace the file at once, readable by its owner and group. Raises OSError."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(ring.serialize())
            file.flush()
            os.fchmod(descriptor, 0o640)
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock on the file's folder, so that no two commands change the file at once."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _content(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text") from None


def _parse(path: Path, text: str) -> KeyRing:
    try:
        return KeyRing.parse(text)
    except ValueError as error:
        raise ValueError(f"{path} holds no key ring: {error}") from None
