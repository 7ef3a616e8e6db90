"""Finds problems of accessibility with axe."""

import io
import threading
from functools import cache

from playwright.sync_api import Page

from stack.commands import Commands
from stack.console import Console
from stack.explorer import PACKAGES
from stack.node import install_packages


def problems(page: Page) -> list[str]:
    """Return the problems that axe finds, one line each."""
    page.evaluate(_axe())
    # Off by default in axe: the size of targets (WCAG 2.2 AA).
    found = page.evaluate("axe.run({rules: {'target-size': {enabled: true}}})")
    return [
        f"{violation['id']}: {node['html'][:160]} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


@cache
def _axe() -> str:
    install_packages(Commands(Console(io.StringIO()), threading.Event()), PACKAGES)
    return (PACKAGES / "node_modules" / "axe-core" / "axe.min.js").read_text()
