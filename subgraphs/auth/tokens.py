"""Issues and verifies tokens. No other service knows how."""

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import jwt

from chassis.errors import Refusal, TokenRefused
from chassis.principal import Principal
from subgraphs.auth.domain import AccessToken, Session, User
from subgraphs.auth.keys import KeyRing

ALGORITHM = "ES256"
CLOCK_TOLERANCE = timedelta(minutes=1)
"""How far the clocks of two processes may be apart."""
CLAIMS = ("iss", "aud", "sub", "sid", "scopes", "context", "iat", "exp", "jti")

_WORD = re.compile(r"[\x21-\x7e]+")
"""What a username or a scope may look like in a header."""


class JwtAccessTokens:
    """Access tokens: JWTs signed with ES256, every claim required, the algorithm pinned."""

    def __init__(self, keys: KeyRing, *, issuer: str, audience: str, lifetime: timedelta) -> None:
        self.use(keys)
        self._issuer = issuer
        self._audience = audience
        self._lifetime = lifetime

    def use(self, keys: KeyRing) -> None:
        """Sign and verify with these keys from now on."""
        self.keys = keys
        self._signing = keys.signing
        self._verifying = keys.public_keys()

    def issue(self, user: User, session: Session, now: datetime) -> AccessToken:
        # `exp` has whole seconds: the returned time must be the signed one.
        expires_at = min(now + self._lifetime, session.expires_at).replace(microsecond=0)
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(user.id),
            "sid": str(session.id),
            "scopes": sorted(session.scopes),
            "context": {"username": user.username},
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
            "jti": str(uuid4()),
        }
        value = jwt.encode(
            claims, self._signing.private, ALGORITHM, headers={"kid": self._signing.id}
        )
        return AccessToken(value, expires_at)

    def verify(self, token: str) -> Principal:
        """Return the principal of a token, whose session may have ended. Raises TokenRefused."""
        try:
            key = self._verifying[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                # `iat` may lie ahead: the clock of the process that issued the token may, too.
                options={"require": list(CLAIMS), "strict_aud": True, "verify_iat": False},
            )
            return _principal(claims)
        except jwt.ExpiredSignatureError as error:
            raise TokenRefused(Refusal.EXPIRED) from error
        except (
            jwt.PyJWTError,
            LookupError,
            AttributeError,
            ValueError,
            TypeError,
            ArithmeticError,
        ) as error:
            raise TokenRefused from error


def _principal(claims: dict[str, Any]) -> Principal:
    """Return the principal in verified claims.

    Raises LookupError, TypeError or ValueError for other types, or text that is unsafe in a header.
    """
    username, scopes = claims["context"]["username"], claims["scopes"]
    if not isinstance(scopes, list) or not all(map(_WORD.fullmatch, [username, *scopes])):
        raise ValueError("a scope or the username is unsafe in a header")
    return Principal(
        user_id=UUID(claims["sub"]),
        username=username,
        scopes=frozenset(scopes),
        session_id=UUID(claims["sid"]),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )


class HmacRefreshTokens:
    """Refresh tokens: 256 bits, the first one random, each later one derived from its predecessor.

    A repeated exchange returns the same token although only hashes are stored. Derivation needs the
    secret, so neither a stolen token nor a stolen database reveals the next token (docs/adr/0007).
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def first(self) -> str:
        return secrets.token_urlsafe(32)

    def successor(self, token: str) -> str:
        digest = hmac.digest(self._secret, _bytes(token), "sha256")
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    def hash(self, token: str) -> bytes:
        return sha256(_bytes(token)).digest()


def _bytes(token: str) -> bytes:
    # JSON admits lone surrogates.
    return token.encode(errors="surrogatepass")
