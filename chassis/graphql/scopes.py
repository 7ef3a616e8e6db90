"""Holds the scopes that a service checks against those that it declares."""

from collections.abc import Iterator
from enum import StrEnum

from chassis.topology import FILE, declared


def scope_problems(service: str, checked: type[StrEnum] | None) -> Iterator[str]:
    """Yield one line for each scope that is checked and not declared, or the other way round.

    A session holds declared scopes only, so a check of another would refuse everybody. Raises
    TopologyError for a service that is not declared.
    """
    stanza = declared()[service]
    key = f"{FILE}: [services.{service}] scopes"
    module = checked.__module__ if checked else f"{stanza.module}.context"
    code = f"{module.replace('.', '/')}.py"
    constants = {str(scope) for scope in checked or ()}
    for scope in sorted(constants - {*stanza.scopes}):
        yield f'{key} lacks "{scope}", which Scope in {code} checks; add it'
    for scope in sorted({*stanza.scopes} - constants):
        yield f'{key} has "{scope}", which is no constant of Scope in {code}; add it there'
