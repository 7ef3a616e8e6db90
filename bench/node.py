"""The npm packages that the bench compares with and makes its load by."""

import functools
import threading
from pathlib import Path

from stack.commands import Commands
from stack.console import Console
from stack.node import install_packages

APOLLO = Path(__file__).with_name("apollo-server")


@functools.cache
def packages() -> Path:
    """Node, once the packages are there."""
    return install_packages(Commands(Console(), threading.Event()), APOLLO)
