"""Installs the npm packages of the Apollo reference server and of the load generator autocannon."""

import functools
import threading
from pathlib import Path

from stack.commands import Commands
from stack.console import Console
from stack.node import install_packages

APOLLO = Path(__file__).with_name("apollo-server")


@functools.cache
def packages() -> Path:
    """Install the packages if necessary, and return the path of the `node` executable."""
    return install_packages(Commands(Console(), threading.Event()), APOLLO)
