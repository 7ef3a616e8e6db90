"""The user for whom a request acts, as the edge verified them, and the edge's secret."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from hmac import compare_digest
from uuid import UUID

from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.errors import Forbidden, Refusal, TokenRefused, Unauthenticated, error_response

ROUTER_SECRET_HEADER = "x-router-secret"  # noqa: S105  (a header's name)
_SECRET_HEADER = ROUTER_SECRET_HEADER.encode()


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in user, the session they act in and the scopes of that session."""

    user_id: UUID
    username: str
    scopes: frozenset[str]
    session_id: UUID
    expires_at: datetime

    def headers(self) -> dict[str, str]:
        """Return the headers that the edge adds for this principal; `principal_from` reads them."""
        return {
            "x-auth-user-id": str(self.user_id),
            "x-auth-username": self.username,
            "x-auth-scopes": " ".join(sorted(self.scopes)),
            "x-auth-session-id": str(self.session_id),
            "x-auth-expires-at": str(int(self.expires_at.timestamp())),
        }


def principal_from(headers: Mapping[str, str]) -> Principal | None:
    """Return the principal in the `x-auth-*` headers, or None for an anonymous request.

    Call it only behind `TrustedCallers`. Raises KeyError or ValueError when the headers are
    incomplete, which only a broken edge can cause.
    """
    if "x-auth-user-id" not in headers:
        return None
    return _principal(
        headers["x-auth-user-id"],
        headers["x-auth-username"],
        # A session may have no scope left; an empty header does not survive every proxy.
        headers.get("x-auth-scopes", ""),
        headers["x-auth-session-id"],
        headers["x-auth-expires-at"],
    )


@lru_cache(1024)  # about a megabyte; a user sends several requests in a row
def _principal(
    user_id: str, username: str, scopes: str, session_id: str, expires_at: str
) -> Principal:
    return Principal(
        user_id=UUID(user_id),
        username=username,
        scopes=frozenset(scopes.split()),
        session_id=UUID(session_id),
        expires_at=datetime.fromtimestamp(int(expires_at), UTC),
    )


def require(principal: Principal | None, scope: StrEnum | None = None) -> Principal:
    """Return the principal if there is one and its session has `scope`.

    Raises Unauthenticated or Forbidden. A service keeps its scopes in one StrEnum, which
    `build_schema` compares with `services.toml`.
    """
    if principal is None:
        raise Unauthenticated
    if scope is not None and scope not in principal.scopes:
        raise Forbidden(f"This session lacks the scope {scope}.")
    return principal


_SCHEME = b"bearer "


def bearer_token(credentials: bytes) -> bytes | None:
    """Return the token of an Authorization header (RFC 6750); None for a blank one.

    Clients without a token often send an empty header. Raises TokenRefused for other credentials.
    """
    credentials = credentials.strip(b" \t")
    if not credentials:
        return None
    if credentials[: len(_SCHEME)].lower() != _SCHEME:
        raise TokenRefused(
            Refusal.INVALID, "Authorization must be: Bearer, a space and the access token."
        )
    return credentials[len(_SCHEME) :].strip(b" \t")


class TrustedCallers:
    """ASGI middleware: answers 403 to a request without the secret of the edge."""

    def __init__(self, app: ASGIApp, secret: str) -> None:
        self._app = app
        self._secret = secret.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            given = [value for name, value in scope["headers"] if name == _SECRET_HEADER]
            # The edge replaces the header, so a request with two did not come from it.
            if len(given) != 1 or not compare_digest(given[0], self._secret):
                response = error_response(
                    403, Forbidden.code, "This port accepts requests from the edge only."
                )
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)
