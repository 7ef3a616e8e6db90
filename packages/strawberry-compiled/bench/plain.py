"""What `workloads.py` takes from a library: dataclasses, where the library has types of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

ID = str
type = input = dataclass  # noqa: A001


def field(resolver: Callable[..., Any]) -> Any:
    return staticmethod(resolver)


mutation = field
federation = SimpleNamespace(type=lambda keys: dataclass)
