"""Renders the templates of a subgraph: its package and its tests."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from deploy.scaffold.names import Names, identifiers

_TEMPLATES = Path(__file__).with_name("templates")
_SUFFIX = ".jinja"
_NAME = "NAME"
"""Stands for the subgraph's name in the name of a template."""

_PLACEHOLDER = Names("thezzzs", "thezzz")


def folders(name: str) -> Mapping[str, str]:
    """Return where the files of each folder of templates go."""
    return {
        "service": f"subgraphs/{name}",
        "unit": f"tests/unit/{name}",
        "integration": f"tests/integration/{name}",
        "e2e": "tests/e2e",
    }


def render(names: Names, owner: str) -> Mapping[str, str]:
    """Return the text of each file by its path in the repository.

    The subgraph extends the `Tweet` of the service `tweets`, or else the `User` of `auth`.
    """
    tweets = owner == "tweets"
    entity = "tweet" if tweets else "user"
    words = {
        **_cases("name", names.name),
        **_cases("item", names.item),
        **_cases("entity", entity),
        "an_entity": f"a {entity}",
        "a_item": f"an {names.item}" if names.item[0] in "aeiou" else f"a {names.item}",
        "module": f"subgraphs.{names.name}",
        "owner": owner,
        "tweets": tweets,
        "created": "tweet-created" if tweets else "user-registered",
    }
    templates = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  (the templates are code, not HTML)
    )
    files = {}
    for template in sorted(_TEMPLATES.rglob(f"*{_SUFFIX}")):
        path = template.relative_to(_TEMPLATES)
        target = str(path.relative_to(path.parts[0])).removesuffix(_SUFFIX)
        target = target.replace(_NAME, names.name)
        text = templates.get_template(path.as_posix()).render(words)
        files[f"{folders(names.name)[path.parts[0]]}/{target}"] = text
    return files


def own_identifiers(owner: str) -> set[str]:
    """Return the names that the generated code gives to other things."""
    files = render(_PLACEHOLDER, owner)
    found = {
        word
        for path, text in files.items()
        if path.endswith(".py")
        for word in identifiers(text)
        if _PLACEHOLDER.item not in word.lower()
    }
    return {word.lower() for word in found}


def _cases(key: str, word: str) -> dict[str, str]:
    """Return a word as it is, capitalised and in capitals, under keys written the same way."""
    return {key: word, key.capitalize(): word.capitalize(), key.upper(): word.upper()}
