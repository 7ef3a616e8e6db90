"""Answers the edge: whose request is this? Raw ASGI, since every request of the system asks."""

import orjson
import structlog
from starlette.types import Message, Receive, Scope, Send

from chassis.errors import Unauthenticated
from subgraphs.auth.errors import InvalidAccessToken, Refusal
from subgraphs.auth.verification import Verification

PATH = "/authorize"

_SCHEME = b"bearer "

_EMPTY: Message = {"type": "http.response.body", "body": b""}
_NO_BODY = (b"content-length", b"0")
_ANONYMOUS: Message = {"type": "http.response.start", "status": 200, "headers": [_NO_BODY]}
_log = structlog.get_logger("auth.authorize")


class Authorizer:
    """ASGI application for Envoy's `ext_authz` over HTTP.

    200 with the principal's `x-auth-*` headers, 200 with none for a request without a token, 401
    with a GraphQL error for a token that is not good, 503 when it cannot be known.
    """

    def __init__(self, verification: Verification) -> None:
        self._verification = verification

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        credentials = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                credentials = value
                break
        if credentials is None:
            await send(_ANONYMOUS)
            await send(_EMPTY)
            return
        try:
            verified = await self._verification.token(_bearer(credentials))
        except InvalidAccessToken as refused:
            await _refuse(send, refused.refusal)
        except Exception:
            _log.exception("a token could not be checked")
            await send({**_ANONYMOUS, "status": 503})
            await send(_EMPTY)
        else:
            await send({**_ANONYMOUS, "headers": [_NO_BODY, *verified.headers]})
            await send(_EMPTY)


def _bearer(credentials: bytes) -> bytes:
    """The token (RFC 6750), the same for every way of writing the header around it."""
    if credentials[: len(_SCHEME)].lower() != _SCHEME:
        raise InvalidAccessToken
    return credentials[len(_SCHEME) :].strip(b" ")


async def _refuse(send: Send, refusal: Refusal) -> None:
    """401 as RFC 6750 has it, with a body that a GraphQL client understands."""
    extensions = {"code": Unauthenticated.code, "reason": refusal.name}
    body = orjson.dumps({"errors": [{"message": refusal.value, "extensions": extensions}]})
    challenge = f'Bearer error="invalid_token", error_description="{refusal.value}"'
    await send(
        {
            "type": "http.response.start",
            "status": 401,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"www-authenticate", challenge.encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
