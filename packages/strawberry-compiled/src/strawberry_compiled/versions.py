"""Reports versions of Strawberry and graphql-core that this package does not know.

It relies on what both do internally. For a version that was not tested it stands aside.
"""

import logging
import re
from collections.abc import Callable
from importlib.metadata import version

STRAWBERRY = "strawberry-graphql"
GRAPHQL_CORE = "graphql-core"
TESTED = {
    STRAWBERRY: ((0, 334), (0, 341)),
    GRAPHQL_CORE: ((3, 3), (3, 3)),
}
"""The oldest and the newest version on which the tests pass: major and minor number."""

log = logging.getLogger("strawberry_compiled")


def require_supported(installed: Callable[[str], str] = version) -> None:
    """Raise ImportError for a version that lacks what this package needs."""
    for package, (oldest, _) in TESTED.items():
        found = installed(package)
        if _minor(found) < oldest:
            needed = ".".join(map(str, oldest))
            raise ImportError(
                f"strawberry-compiled needs {package} {needed} or newer; {found} is installed."
            )


def untested(installed: Callable[[str], str] = version) -> str:
    """Return which installed version is newer than those tested; empty where none is."""
    newer = [
        f"{package} {found}"
        for package, (_, newest) in TESTED.items()
        if _minor(found := installed(package)) > newest
    ]
    return " and ".join(newer)


def report(found: str) -> None:
    """Log that operations run on the stock executor because of an untested version."""
    log.warning(
        "%s was not tested with strawberry-compiled; operations run on the stock executor. "
        "To compile them all the same, set `force = True` on the execution context class.",
        found,
    )


def _minor(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)[:2]))
