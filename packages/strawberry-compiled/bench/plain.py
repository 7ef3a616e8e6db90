"""What the module `workloads` takes from a library, for libraries whose types are declared apart."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

ID = str
type = input = dataclass


def field(resolver: Callable[..., Any]) -> Any:
    return staticmethod(resolver)


mutation = field
federation = SimpleNamespace(type=lambda keys: dataclass)  # noqa: ARG005
