"""The context of an execution whose result several connections may get (docs/adr/0031)."""

from collections.abc import Callable
from functools import cache
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import Scope

from chassis.graphql.context import OF_REQUEST, RequestContext
from chassis.graphql.viewers import SharedConnection, SharedPrincipal
from chassis.principal import Principal
from graphql_streams import Reads

MakeContext = Callable[[HTTPConnection, Principal], RequestContext]


def shared_context(
    make_context: MakeContext, scope: Scope, principal: Principal, reads: Reads
) -> RequestContext:
    """Return a context of this caller that records in `reads` what is read of the connection."""
    connection = SharedConnection(scope, reads)
    context = make_context(connection, SharedPrincipal(principal, reads))
    made: Any = type(context)
    context.__class__ = _recording(made)
    context.__dict__["_connection"] = connection
    return context


@cache
def _recording(cls: Any) -> Any:
    """Return the class of contexts that read the headers when a field of the request is used."""
    fields = {name: _field(name) for name in OF_REQUEST}
    return type(cls.__name__, (cls,), {**fields, "__module__": cls.__module__})


def _field(name: str) -> property:
    def read(context: Any) -> Any:
        connection = HTTPConnection(context.__dict__["_connection"].scope)
        return RequestContext.caller(connection, context.principal)[name]

    return property(read)
