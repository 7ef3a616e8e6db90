"""Locks between processes, so that two of them do not install into one folder at once."""

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.process import StoppedError

_RETRY = 0.1  # seconds


@contextmanager
def locked(file: Path, interrupted: threading.Event) -> Iterator[None]:
    """Hold an exclusive lock on an existing file while the block runs; the file is not changed.

    The kernel releases the lock of a process that dies. Raises StoppedError when `interrupted` is
    set while another process holds the lock.
    """
    with file.open("rb") as held:
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if interrupted.wait(_RETRY):
                    raise StoppedError from None
            else:
                break
        yield
