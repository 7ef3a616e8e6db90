"""The names in a new subgraph, and which names it cannot have."""

import builtins
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chassis.topology import RESERVED, Topology

LONGEST = 20
"""Characters of a name: with more, lines of the generated code get too long."""

_NAME = re.compile(r"[a-z][a-z0-9]*")

# Reserved words of PostgreSQL 18: a table has the name of the service. Left out are words with
# a `_`, which no name can have, and keywords of Python, which are refused anyway.
_SQL = frozenset(
    """
    all analyse analyze any array asc asymmetric authorization binary both case cast check collate
    collation column concurrently constraint create cross default deferrable desc distinct do end
    except fetch foreign freeze full grant group having ilike initially inner intersect into isnull
    join lateral leading left like limit localtime localtimestamp natural notnull null offset on
    only order outer overlaps placing primary references returning right select similar some
    symmetric system table tablesample then to trailing union unique user using variadic verbose
    when where window
    """.split()
)


class NameProblemError(Exception):
    """A subgraph cannot have this name; the message says why."""


@dataclass(frozen=True, slots=True)
class Names:
    """The name of a subgraph, a plural (`likes`), and of one object in it (`like`)."""

    name: str
    item: str

    @classmethod
    def of(cls, name: str, item: str | None = None) -> "Names":
        """Derive the singular from the name where `item` is not given."""
        return cls(name, item or singular(name))


def singular(name: str) -> str:
    """Return the singular of a regular English plural; any other word as it is."""
    if name.endswith("ies"):
        return f"{name[:-3]}y"
    if re.search(r"(ch|sh|ss|x)es$", name):
        return name[:-2]
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name


def problems(names: Names, topology: Topology, identifiers: Iterable[str]) -> Iterator[str]:
    """Yield why a subgraph cannot have these names; nothing if it can.

    `identifiers` are the words that the generated code already uses for something else.
    """
    taken = {*identifiers, *dir(builtins)}
    for what, word in {"NAME": names.name, "ITEM": names.item}.items():
        if not _NAME.fullmatch(word):
            yield f"{what} {word!r} must be lower-case letters and digits, a letter first."
        elif len(word) > LONGEST:
            yield f"{what} {word} has {len(word)} characters; {LONGEST} are allowed."
        elif word in taken:
            yield f"{what} {word} has another meaning in Python or in the service's own code."
    if names.name in _SQL:
        yield f"NAME {names.name} has another meaning in SQL."
    if names.name == names.item:
        yield f"NAME {names.name} must be a plural; or give the singular with ITEM=…"
    if names.name in RESERVED:
        yield f"NAME {names.name} is reserved; reserved are {', '.join(sorted(RESERVED))}."
    if names.name in topology.services:
        yield f"NAME {names.name} is a service already: see [services.{names.name}]."


def identifiers(source: str) -> set[str]:
    """Return the names and keywords in a Python module."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME}
