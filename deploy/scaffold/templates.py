"""Renders the templates of a subgraph: its package and its tests."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from graphql import FieldDefinitionNode, ObjectTypeDefinitionNode, parse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chassis.topology import Service
from deploy.scaffold.names import NameProblemError, Names, identifiers

TYPES = {"tweets": "Tweet", "auth": "User"}
"""The types that a new subgraph can extend, by the service that owns them."""

_TEMPLATES = Path(__file__).with_name("templates")
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701  (the templates are code, not HTML)
)
_SUFFIX = ".jinja"
_NAME = "NAME"
"""Stands for the subgraph's name in the name of a template."""

_OF_SUBSCRIPTIONS = {"feed.py.jinja", "test_feed.py.jinja"}
"""Templates of a subgraph with a subscription only."""

_LITERAL = 80  # characters of a string in one line


@dataclass(frozen=True, slots=True)
class Extended:
    """A type of another service, which owns it, and how its schema describes it."""

    owner: str
    name: str
    description: str
    id_description: str


def extended(root: Path, owner: Service) -> Extended:
    """Read the type of `owner` that a new subgraph extends, from its exported schema.

    A type that several subgraphs share has the same description in each. Raises NameProblemError
    where there is no such type.
    """
    name = TYPES[owner.name]
    file = f"{owner.folder}/schema.graphql"
    for type_ in parse((root / file).read_text()).definitions:
        if isinstance(type_, ObjectTypeDefinitionNode) and type_.name.value == name:
            for field in type_.fields or ():
                if field.name.value == "id":
                    return Extended(owner.name, name, _text(type_), _text(field))
    raise NameProblemError(f"{file} has no type {name} with an id to extend.")


_PLACEHOLDER = Names("thezzzs", "thezzz")


def folders(name: str) -> Mapping[str, str]:
    """Return where the files of each folder of templates go."""
    return {
        "service": f"subgraphs/{name}",
        "unit": f"tests/unit/{name}",
        "integration": f"tests/integration/{name}",
        "e2e": "tests/e2e",
    }


def render(names: Names, type_: Extended, *, subscription: bool = False) -> Mapping[str, str]:
    """Return the text of each file by its path in the repository."""
    tweets = type_.name == "Tweet"
    entity = type_.name.lower()
    words = {
        **_cases("name", names.name),
        **_cases("item", names.item),
        **_cases("entity", entity),
        "subscription": subscription,
        "An_entity": f"A {entity}",
        "an_entity": f"a {entity}",
        "a_item": f"an {names.item}" if names.item[0] in "aeiou" else f"a {names.item}",
        "module": f"subgraphs.{names.name}",
        "owner": type_.owner,
        "description": _literal(type_.description),
        "id_description": _literal(type_.id_description),
        "tweets": tweets,
        "created": "tweet-created" if tweets else "user-registered",
    }
    files = {}
    for template in sorted(_TEMPLATES.rglob(f"*{_SUFFIX}")):
        if template.name in _OF_SUBSCRIPTIONS and not subscription:
            continue
        path = template.relative_to(_TEMPLATES)
        target = str(path.relative_to(path.parts[0])).removesuffix(_SUFFIX)
        target = target.replace(_NAME, names.name)
        text = _ENVIRONMENT.get_template(path.as_posix()).render(words)
        files[f"{folders(names.name)[path.parts[0]]}/{target}"] = text
    return files


def own_identifiers(type_: Extended) -> set[str]:
    """Return the names that the generated code gives to other things."""
    files = render(_PLACEHOLDER, type_, subscription=True)
    found = {
        word
        for path, text in files.items()
        if path.endswith(".py")
        for word in identifiers(text)
        if _PLACEHOLDER.item not in word.lower()
    }
    return {word.lower() for word in found}


def _text(node: ObjectTypeDefinitionNode | FieldDefinitionNode) -> str:
    return node.description.value if node.description else ""


def _literal(text: str) -> str:
    """Return a Python string, in pieces that fit a line."""
    pieces = re.findall(rf".{{1,{_LITERAL}}}(?:\s|$)|.{{{_LITERAL}}}", text, re.DOTALL) or [text]
    return "\n".join(json.dumps(piece, ensure_ascii=False) for piece in pieces)


def _cases(key: str, word: str) -> dict[str, str]:
    """Return a word as it is, capitalised and in capitals, under keys written the same way."""
    return {key: word, key.capitalize(): word.capitalize(), key.upper(): word.upper()}
