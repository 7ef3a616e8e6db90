"""Runs in the fork server when it starts: imports the packages that services import.

It imports no module of the services or the chassis: a fork would not see a later edit of it.
"""

import gc
import signal
import tomllib
from contextlib import suppress

from stack.child_guard import die_with_parent
from stack.preload import ROOT, imported_packages


def _import_packages() -> None:
    services = tomllib.loads((ROOT / "services.toml").read_text())["services"].values()
    folders = [ROOT / service["module"].replace(".", "/") for service in services]
    for module, names in imported_packages([*folders, ROOT / "chassis"]).items():
        # A package that cannot be imported is an error of the service, which reports it.
        with suppress(ImportError):
            __import__(module, fromlist=[*names])


# When the supervisor dies, the fork server ends, and every fork with it.
die_with_parent(signal.SIGKILL)
# The supervisor reports what is wrong with the declaration.
gc.disable()  # what is imported lives as long as the process
with suppress(OSError, ValueError, KeyError, TypeError):
    _import_packages()
gc.freeze()  # no fork looks at it again
gc.enable()
