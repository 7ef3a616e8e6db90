"""Pages that a service renders itself, where mails lead: one form at most, and no script."""

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from chassis.database import UNAVAILABLE
from chassis.errors import Overloaded
from chassis.templates import Templates
from chassis.topology import declared

_HERE = Path(__file__).parent
_TEMPLATES = Templates(_HERE)
_STYLE = (_HERE / "page.css").read_text()
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "referrer-policy": "no-referrer",  # the address of a page may hold a token
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}
_log = structlog.get_logger("chassis.pages")


@dataclass(frozen=True, slots=True)
class Field:
    """A required input of a form."""

    name: str
    label: str
    attributes: Mapping[str, str | int]
    """The HTML attributes: `type`, `autocomplete` and so on."""
    value: str = ""
    hint: str = ""
    problem: str = ""
    """What is wrong with the value that was sent. The first field with a problem gets the focus."""

    @property
    def described_by(self) -> str:
        """Return the ids of the hint and the problem."""
        described = {"hint": self.hint, "problem": self.problem}
        return " ".join(f"{self.name}-{part}" for part, text in described.items() if text)


@dataclass(frozen=True, slots=True)
class Form:
    """A form that is sent by POST to `action`, by default to the page's own address."""

    button: str
    action: str = ""
    fields: Sequence[Field] = ()
    hidden: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a path of this site."""

    text: str
    href: str


def page(
    title: str,
    *text: str,
    form: Form | None = None,
    links: Sequence[Link] = (),
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a page. `text` are its paragraphs; all values are escaped."""
    html = _TEMPLATES.render(
        "page.html",
        product=product(),
        title=title,
        text=text,
        form=form,
        first_problem=next((f for f in form.fields if f.problem), None) if form else None,
        links=links,
        style=_STYLE,
    )
    return HTMLResponse(html, status, headers={**_HEADERS, **(headers or {})})


def product() -> str:
    """Return the product's name in texts."""
    return declared().project.title


def page_route(path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> Route:
    """Return the route of a page, for GET and POST.

    An HTTPException of `endpoint` becomes a page with its status and detail. An overload and an
    outage of the database become 503, any other exception 500.
    """

    async def respond(request: Request) -> Response:
        try:
            return await endpoint(request)
        except HTTPException as error:
            title = "This request cannot be read"
            return page(title, error.detail, status=error.status_code, headers=error.headers)
        except Overloaded:
            return _unavailable(503)
        except ClientDisconnect:
            raise
        except Exception as error:
            _log.exception("page failed", path=path)
            return _unavailable(503 if isinstance(error, UNAVAILABLE) else 500)

    return Route(path, respond, methods=["GET", "POST"])


def _unavailable(status: int) -> Response:
    return page(
        "This does not work right now",
        "Go back and try again in a minute. A link in a mail can be opened again.",
        status=status,
    )
