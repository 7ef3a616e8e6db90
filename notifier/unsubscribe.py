"""Links that unsubscribe an address without a sign-in (RFC 8058), and their pages."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.pages import Form, Link, page, page_route
from chassis.settings import Secret
from notifier.addresses import AddressDigests
from notifier.domain import UnsubscribeLink
from notifier.errors import InvalidUnsubscribeToken

UNSUBSCRIBE, SUBSCRIBE = "/email/unsubscribe", "/email/subscribe"

_SETTING = "retweets"
_SALT = "notifier.unsubscribe"
_TURN_ON = "Turn them back on"


class UnsubscribeLinks:
    """Signs the links, so that only a reader of the mail can use one. A link does not expire.

    The first of `secrets` signs. Links that an earlier one signed stay valid.
    """

    def __init__(self, public_url: str, secrets: Sequence[Secret], digests: AddressDigests) -> None:
        self._address = f"{public_url.rstrip('/')}{UNSUBSCRIBE}"
        self._digests = digests
        # The serializer signs with the last secret of its list.
        self._serializer = URLSafeSerializer(list(reversed(secrets)), salt=_SALT)

    def url(self, user_id: UUID, address: str) -> str:
        """Return the link for a mail to `address` about the account of a user."""
        digest = urlsafe_b64encode(self._digests.of(address)).decode()
        return f"{self._address}?token={self._serializer.dumps([user_id.hex, _SETTING, digest])}"

    def read(self, token: str) -> UnsubscribeLink:
        """Return the content of a link. Raises InvalidUnsubscribeToken."""
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
    """Return the routes of the pages that unsubscribe and resubscribe an address.

    `GET` asks for confirmation, because mail scanners open links; only `POST` changes anything. The
    body is not read: the token names the setting and the address.
    """

    async def unsubscribe_page(request: Request) -> Response:
        link = _link(links, request)
        if link is None:
            return _invalid_link_page()
        if request.method != "POST":
            return page(
                "Unsubscribe from mails about retweets?",
                "You will no longer get a mail when another user retweets your tweets.",
                form=Form("Unsubscribe"),
                links=[Link(f"{_TURN_ON}, if they are off", f"{SUBSCRIBE}?{request.url.query}")],
            )
        await unsubscribe(link)
        return page(
            "You are unsubscribed",
            "This address gets no more mails about retweets, whatever the settings of its "
            "account. You can turn them back on here, or later with the link in the mail. Nothing "
            "else can, so keep the mail.",
            form=Form(_TURN_ON, f"{SUBSCRIBE}?{request.url.query}"),
        )

    async def subscribe_page(request: Request) -> Response:
        link = _link(links, request)
        if link is None:
            return _invalid_link_page()
        if request.method != "POST":
            return page(
                "Turn mails about retweets back on?",
                "You will get a mail when another user retweets your tweets.",
                form=Form(_TURN_ON),
            )
        await resubscribe(link)
        return page(
            "Mails about retweets are back on",
            "You will get a mail when another user retweets your tweets.",
            form=Form("Unsubscribe", f"{UNSUBSCRIBE}?{request.url.query}"),
        )

    return [page_route(UNSUBSCRIBE, unsubscribe_page), page_route(SUBSCRIBE, subscribe_page)]


def _link(links: UnsubscribeLinks, request: Request) -> UnsubscribeLink | None:
    try:
        return links.read(request.query_params.get("token", ""))
    except InvalidUnsubscribeToken:
        return None


def _invalid_link_page() -> Response:
    return page(
        "This link does not work",
        "Part of it may be missing. Open it from the mail again, or turn the mails off in your "
        "settings.",
        status=400,
    )
