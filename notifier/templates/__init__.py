"""Jinja2 templates of mails and pages. HTML is escaped; a missing value is an error."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_HERE = Path(__file__).parent
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_HERE),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    auto_reload=False,
)


def render(name: str, **values: object) -> str:
    return _ENVIRONMENT.get_template(name).render(values)


def text(name: str) -> str:
    """Return a file of this folder unchanged."""
    return (_HERE / name).read_text()
