"""Links that end mails to an address without signing in (RFC 8058), and the pages behind them."""

from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from uuid import UUID

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from chassis.settings import Secret
from notifier import templates
from notifier.addresses import AddressDigests
from notifier.domain import UnsubscribeLink
from notifier.errors import InvalidUnsubscribeToken

UNSUBSCRIBE, SUBSCRIBE = "/email/unsubscribe", "/email/subscribe"

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
    """Signed, so that only who reads a mail can use its link; without an end, as a mail has none.

    `secrets` begin with the one that signs; links of the others work too.
    """

    def __init__(self, public_url: str, secrets: Sequence[Secret], digests: AddressDigests) -> None:
        self._address = f"{public_url.rstrip('/')}{UNSUBSCRIBE}"
        self._digests = digests
        # The serializer signs with the last one.
        self._serializer = URLSafeSerializer(list(reversed(secrets)), salt=_SALT)

    def url(self, user_id: UUID, address: str) -> str:
        """Return the link for a mail about a person's account to `address`."""
        digest = urlsafe_b64encode(self._digests.of(address)).decode()
        return f"{self._address}?token={self._serializer.dumps([user_id.hex, _SETTING, digest])}"

    def read(self, token: str) -> UnsubscribeLink:
        """Return what the link says. Raises InvalidUnsubscribeToken."""
        try:
            user_id, setting, *rest = self._serializer.loads(token)
            link = UnsubscribeLink(UUID(hex=user_id), *(urlsafe_b64decode(part) for part in rest))
        except (BadSignature, ValueError, TypeError, AttributeError):
            raise InvalidUnsubscribeToken from None
        if setting != _SETTING:
            raise InvalidUnsubscribeToken
        return link


Change = Callable[[UnsubscribeLink], Awaitable[object]]


def unsubscribe_routes(
    links: UnsubscribeLinks, unsubscribe: Change, resubscribe: Change
) -> list[Route]:
    """Return the page of the link in a mail, and the page that takes it back.

    `GET` asks, since programs open links to look at them; only `POST` changes anything. The body
    is not read: the link itself says what, and for which address.
    """

    async def off(request: Request) -> Response:
        link = _link(links, request)
        if link is None:
            return _broken()
        if request.method != "POST":
            return _page(
                "No more mails about retweets?",
                "You will not get mails any more when somebody retweets a tweet of yours.",
                button="Unsubscribe",
            )
        await unsubscribe(link)
        return _page(
            "You are unsubscribed",
            "There will be no more mails about retweets to this address, whatever an account is "
            "set to. Only this page can take that back: keep the mail.",
            button="Subscribe again",
            action=f"{SUBSCRIBE}?{request.url.query}",
        )

    async def on(request: Request) -> Response:
        link = _link(links, request)
        if link is None:
            return _broken()
        if request.method != "POST":
            return _page(
                "Mails about retweets again?",
                "You will get mails again when somebody retweets a tweet of yours.",
                button="Subscribe again",
            )
        await resubscribe(link)
        return _page(
            "You are subscribed",
            "You will get mails about retweets again.",
            button="Unsubscribe",
            action=f"{UNSUBSCRIBE}?{request.url.query}",
        )

    methods = ["GET", "POST"]
    return [Route(UNSUBSCRIBE, off, methods=methods), Route(SUBSCRIBE, on, methods=methods)]


def _link(links: UnsubscribeLinks, request: Request) -> UnsubscribeLink | None:
    try:
        return links.read(request.query_params.get("token", ""))
    except InvalidUnsubscribeToken:
        return None


def _broken() -> Response:
    return _page(
        "This link does not work",
        "Part of it may be missing. Open it from the mail again, or switch the mails off in your "
        "settings.",
        status=400,
    )


def _page(
    title: str, text: str, *, button: str | None = None, action: str = "", status: int = 200
) -> Response:
    """`action` is where the button leads, by default to the page itself."""
    html = templates.render(
        "page.html", title=title, text=text, button=button, action=action, style=_STYLE
    )
    return HTMLResponse(html, status, headers=_HEADERS)
