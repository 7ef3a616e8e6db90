"""The reference of errors: codes, reasons, and the errors that are data."""

import re
from collections.abc import Iterator

from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema, GraphQLUnionType

from chassis import errors
from chassis.topology import ROOT, Topology
from deploy.reference.markdown import code, codes, page, table
from deploy.reference.schema import api, flat
from deploy.reference.sources import sentence
from graphql_streams.errors import Refused, status_for

_EDGE = re.compile(
    r"status_code_filter: \{comparison: \{op: EQ, value: \{default_value: (\d+).*\n"
    r'.*message: "([^"]+)", extensions: \{code: ([A-Z_]+)\}'
)
_ROUTER = {
    "GRAPHQL_VALIDATION_FAILED": "The document does not fit the schema, or exceeds a "
    "[limit](limits.md).",
    "PARSING_ERROR": "The document is not GraphQL, or exceeds a limit of the router's parser.",
    "GRAPHQL_PARSE_FAILED": "The same, from a subgraph or from a stream.",
    "GRAPHQL_UNKNOWN_OPERATION_NAME": "`operationName` names no operation of the document.",
    "PERSISTED_QUERY_NOT_FOUND": "The router does not know the hash: send the document with it.",
    "SUBREQUEST_HTTP_ERROR": "A subgraph did not answer, or refused its fetch; an error with the "
    "reason follows.",
}
"""Codes of the Apollo Router, which no file here lists."""


def text(_: Topology) -> str:
    """Return the page."""
    return page(
        "chassis/errors.py, router/edge.yaml and router/api.graphql",
        "Errors",
        "Expected outcomes are data: members of a result union that implement `Error`. Everything "
        "else is in `errors[]` with a code in `extensions.code` "
        "([ADR 2](../adr/0002-errors-are-data.md)). Codes, reasons and types are stable; messages "
        "are texts for people.",
        "## Codes of the services\n\nThe status is that of a response without data; beside data an "
        "error has status 200. The close code is that of a WebSocket that ends with the error.\n\n"
        + table(["code", "HTTP", "WebSocket", "default message", ""], _codes()),
        "## Reasons\n\nThe `extensions.reason` of `UNAUTHENTICATED`: why an access token is "
        "refused. Only `EXPIRED` is worth a refresh.\n\n"
        + table(["reason", "message"], ([code(r.name), r.value] for r in errors.Refusal)),
        "## Codes of the router\n\n"
        + table(["code", ""], ([code(name), meaning] for name, meaning in _ROUTER.items())),
        "## Codes of the edge\n\nFor requests that reach no service. Those that auth refuses have "
        "the codes above.\n\n" + table(["HTTP", "code", "message"], _edge()),
        "## Errors that are data\n\n" + table(["type", "fields", "results", ""], _results(api())),
    )


def _codes() -> Iterator[list[str]]:
    for error in _client_errors(errors.ClientError):
        if error.__dict__.get("code"):
            yield [
                code(error.code),
                str(status_for(error.code)),
                str(Refused(code=error.code).close_code),
                error.default,
                sentence(error.__doc__),
            ]
    internal = errors.INTERNAL_SERVER_ERROR
    why = "An unexpected error. Its details are in the log only, with the `x-request-id`."
    close = str(Refused(code=internal).close_code)
    yield [code(internal), str(status_for(internal)), close, "", why]


def _client_errors(parent: type[errors.ClientError]) -> Iterator[type[errors.ClientError]]:
    for error in parent.__subclasses__():
        if error.__module__ == errors.__name__:
            yield error
            yield from _client_errors(error)


def _edge() -> Iterator[list[str]]:
    found = _EDGE.findall((ROOT / "router/edge.yaml").read_text())
    yield from ([status, code(name), message] for status, message, name in found)


def _results(schema: GraphQLSchema) -> Iterator[list[str]]:
    interface = schema.type_map["Error"]
    assert isinstance(interface, GraphQLInterfaceType)  # noqa: S101  (the convention of the schema)
    unions = [t for t in schema.type_map.values() if isinstance(t, GraphQLUnionType)]
    for error in schema.get_implementations(interface).objects:
        yield [
            code(error.name),
            codes(f"{name}: {field.type}" for name, field in error.fields.items()),
            codes(_unions_of(error, unions)),
            flat(error.description),
        ]


def _unions_of(error: GraphQLObjectType, unions: list[GraphQLUnionType]) -> list[str]:
    return [union.name for union in unions if error in union.types]
