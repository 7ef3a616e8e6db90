"""Runs in the fork server when it starts: imports the packages that services import.

It imports no module of the services or the chassis: a fork would not see a later edit of it.
"""

import importlib
import signal
import tomllib
from contextlib import suppress

from stack.child_guard import die_with_parent
from stack.preload import ROOT, imported_packages


def _import_packages() -> None:
    services = tomllib.loads((ROOT / "services.toml").read_text())["services"].values()
    folders = [ROOT / service["module"].replace(".", "/") for service in services]
    for name in imported_packages([*folders, ROOT / "chassis"]):
        # A package that cannot be imported is an error of the service, which reports it.
        with suppress(ImportError):
            importlib.import_module(name)


# When the supervisor dies, the fork server ends, and every fork with it.
die_with_parent(signal.SIGKILL)
# The supervisor reports what is wrong with the declaration.
with suppress(OSError, ValueError, KeyError, TypeError):
    _import_packages()
