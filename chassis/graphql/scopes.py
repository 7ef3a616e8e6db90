"""Compares the scopes that a service checks with those that it declares."""

from collections.abc import Iterator
from enum import StrEnum

from chassis.topology import FILE, declared


def scope_problems(service: str, checked: type[StrEnum] | None) -> Iterator[str]:
    """Yield one line for each scope that is checked but not declared, or declared but not checked.

    A session holds declared scopes only, so no caller would pass the check of an undeclared one. A
    declared scope without a check would permit nothing. `checked` is None for a service without
    scopes. Raises TopologyError for an undeclared service.
    """
    stanza = declared()[service]
    key = f"{FILE}: [services.{service}] scopes"
    known = stanza.checked_scopes
    module = checked.__module__ if checked else f"{stanza.module}.context"
    code = f"{module.replace('.', '/')}.py"
    constants = {str(scope) for scope in checked or ()}
    for scope in sorted(constants - known):
        yield f'{key} lacks "{scope}", which Scope in {code} checks; add it'
    for scope in sorted(known - constants):
        key = f"{FILE}: [services.{service}] {'scopes' if scope in stanza.scopes else 'roles'}"
        yield f'{key} has "{scope}", which is not a constant of Scope in {code}; add it there'
