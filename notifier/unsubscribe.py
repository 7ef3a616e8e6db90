"""Links that switch one setting off without signing in (RFC 8058), and the pages behind them."""

from base64 import b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha256
from uuid import UUID

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from chassis.settings import Secret
from notifier import templates
from notifier.errors import InvalidUnsubscribeToken

PATH = "/email/unsubscribe"

_SETTING = "retweets"
_SALT = "notifier.unsubscribe"
_STYLE = templates.text("page.css")
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "referrer-policy": "no-referrer",  # the address is as good as a signature
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}


class UnsubscribeLinks:
    """Signed, so that nobody unsubscribes somebody else; without an end, as a mail has none."""

    def __init__(self, public_url: str, secret: Secret) -> None:
        self._address = f"{public_url.rstrip('/')}{PATH}"
        self._serializer = URLSafeSerializer(secret, salt=_SALT)

    def url(self, user_id: UUID) -> str:
        return f"{self._address}?token={self._serializer.dumps([user_id.hex, _SETTING])}"

    def user_id(self, token: str) -> UUID:
        """Whose mail the link was in. Raises InvalidUnsubscribeToken."""
        try:
            user_id, setting = self._serializer.loads(token)
            known = UUID(hex=user_id)
        except (BadSignature, ValueError, TypeError, AttributeError):
            raise InvalidUnsubscribeToken from None
        if setting != _SETTING:
            raise InvalidUnsubscribeToken
        return known


def unsubscribe_route(
    links: UnsubscribeLinks, unsubscribe: Callable[[UUID], Awaitable[object]]
) -> Route:
    """`GET` asks, since programs open links to look at them; only `POST` unsubscribes.

    What the body says is not looked at: the link itself says what, and for whom.
    """

    async def endpoint(request: Request) -> Response:
        try:
            user_id = links.user_id(request.query_params.get("token", ""))
        except InvalidUnsubscribeToken:
            return _page(
                "This link does not work",
                "Part of it may be missing. Open it from the mail again, or switch the mails off "
                "in your settings.",
                status=400,
            )
        if request.method != "POST":
            return _page(
                "No more mails about retweets?",
                "You will not be told by e-mail any more when somebody retweets a tweet of yours.",
                button="Unsubscribe",
            )
        await unsubscribe(user_id)
        return _page(
            "You are unsubscribed",
            "There will be no more mails about retweets. In your settings you can switch them on "
            "again at any time.",
        )

    return Route(PATH, endpoint, methods=["GET", "POST"])


def _page(title: str, text: str, *, button: str | None = None, status: int = 200) -> Response:
    html = templates.render("page.html", title=title, text=text, button=button, style=_STYLE)
    return HTMLResponse(html, status, headers=_HEADERS)
