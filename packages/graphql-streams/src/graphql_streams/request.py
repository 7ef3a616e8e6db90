"""Parses a GraphQL request of any transport."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from .errors import BadRequest, PersistedQueryNotFound

_MEDIA_TYPES = frozenset({"application/json", "application/graphql-response+json"})
_SHAPE = (
    ("query", str, "a string"),
    ("variables", dict, "an object"),
    ("operationName", str, "a string"),
    ("extensions", dict, "an object"),
)


@dataclass(frozen=True, slots=True)
class InvalidJson:
    """Replaces a value that is not valid JSON."""

    reason: str


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """The parameters of one operation, as GraphQL over HTTP names them."""

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    extensions: dict[str, Any] | None = None

    @classmethod
    def parse(cls, value: object) -> "GraphQLRequest":
        """Return the request in a JSON value.

        Raises BadRequest, or PersistedQueryNotFound for a hash without its document.
        """
        if isinstance(value, InvalidJson):
            raise BadRequest(f"The request is not valid JSON: {value.reason}.")
        if isinstance(value, list):
            raise BadRequest("Send one operation in each request: batching is not enabled.")
        if not isinstance(value, dict):
            raise BadRequest("A GraphQL request must be a JSON object.")
        for name, kind, called in _SHAPE:
            if not isinstance(value.get(name), (kind, type(None))):
                raise BadRequest(f"The `{name}` of a GraphQL request must be {called}.")
        query, extensions = value.get("query"), value.get("extensions")
        persisted = extensions.get("persistedQuery") if extensions else None
        if not query:
            if persisted:
                raise PersistedQueryNotFound
            raise BadRequest("The `query` of a GraphQL request must be a non-empty string.")
        if persisted:
            _check_hash(persisted, query)
        # An empty name counts as missing, as in the parameters of a URL.
        return cls(query, value.get("variables"), value.get("operationName") or None, extensions)

    @classmethod
    def decode(cls, body: bytes) -> "GraphQLRequest":
        """Return the request in a body. Raises like `parse`."""
        return cls.parse(decode(body))


def decode(text: bytes | str) -> Any:
    """Return the JSON value, or InvalidJson, also for a lone surrogate and invalid UTF-8."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return InvalidJson(str(error))


def is_json(content_type: str) -> bool:
    """Return whether the content type is one of a GraphQL request."""
    return content_type.partition(";")[0].strip().lower() in _MEDIA_TYPES


def _check_hash(persisted: object, query: str) -> None:
    """Raise BadRequest for the hash of another document. Documents are not stored by hash."""
    given = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    if isinstance(given, str) and given.lower() != sha256(query.encode()).hexdigest():
        raise BadRequest("The `sha256Hash` of `extensions.persistedQuery` does not match `query`.")
