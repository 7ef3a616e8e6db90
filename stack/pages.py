"""The explorer and the mailbox: a first start installs and builds them after the API answers."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass

from stack.process import Process


@dataclass(frozen=True, slots=True)
class Page:
    """A process that may have to be installed or built first."""

    is_made: Callable[[], bool]
    """Whether `make` has nothing to install or build."""
    make: Callable[[], Process]
    """Installs and builds what is missing; returns the process. Raises StackError, StoppedError."""


class Pages:
    """The pages of a stack, by name. They are made on a thread, one at a time."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self._planned = dict(pages)
        self._made: dict[str, Future[Process]] = {}
        self._thread = ThreadPoolExecutor(1)

    @property
    def missing(self) -> set[str]:
        """The pages that `take` has not returned."""
        return {*self._planned, *self._made}

    def make(self, *, all_of_them: bool) -> None:
        """Begin to make all pages, or only those that have nothing to install or build."""
        for name, page in list(self._planned.items()):
            if all_of_them or page.is_made():
                self._made[name] = self._thread.submit(page.make)
                del self._planned[name]

    def take(self, *, wait: bool) -> Iterator[tuple[str, Future[Process]]]:
        """Return, once, each page that has been made, or could not be; or wait for all."""
        for name, future in list(self._made.items()):
            if wait:
                wait_for([future])
            if future.done():
                del self._made[name]
                yield name, future

    def close(self) -> None:
        """Return when the thread has ended. Commands that run on it are to be interrupted first."""
        self._thread.shutdown(cancel_futures=True)
