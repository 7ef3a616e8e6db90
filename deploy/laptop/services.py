"""The services that the stack runs: each is a subgraph with a database of its own."""

from collections.abc import Mapping
from pathlib import Path

from deploy.laptop.process import ROOT

SERVICES = {"auth": "subgraphs.auth", "tweets": "subgraphs.tweets", "notifier": "notifier"}
"""The module of each. In capitals, its name begins its settings."""

_PREFIXES = {"auth": ("AUTH_",), "tweets": ("TWEETS_",), "notifier": ("NOTIFIER_", "MAIL_")}


def migrations(name: str) -> Path:
    return ROOT / SERVICES[name].replace(".", "/") / "migrations"


def settings_of(name: str, settings: Mapping[str, str]) -> dict[str, str]:
    """The settings without those that are another service's alone."""
    others = tuple(p for other in SERVICES if other != name for p in _PREFIXES[other])
    return {key: value for key, value in settings.items() if not key.startswith(others)}
