"""Access tokens and their forgeries, key rings, refresh tokens."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from chassis.errors import Refusal, TokenRefused
from subgraphs.auth.codes import HmacCodes
from subgraphs.auth.domain import Device, Session, User
from subgraphs.auth.keys import KeyRing, SigningKey
from subgraphs.auth.tokens import CLAIMS, HmacRefreshTokens, JwtAccessTokens
from tests.unit.auth.fakes import KEYS, SCOPES

ISSUER, AUDIENCE = "https://chirp.example", "chirp"
START = datetime.now(UTC)
USER = User(uuid4(), "ada", "ada@example.com", "hash", START)
SESSION = Session(uuid4(), USER.id, SCOPES, Device("", ""), START, START, START + timedelta(days=1))


def now() -> datetime:
    """Return the time of the test, which may run long after this module was imported."""
    return datetime.now(UTC)


def tokens(
    keys: KeyRing = KEYS,
    *,
    issuer: str = ISSUER,
    audience: str = AUDIENCE,
    lifetime: timedelta = timedelta(minutes=15),
) -> JwtAccessTokens:
    return JwtAccessTokens(keys, issuer=issuer, audience=audience, lifetime=lifetime)


def claims(**changes: Any) -> dict[str, Any]:
    """Return valid claims; a change to None leaves one out."""
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(USER.id),
        "sid": str(SESSION.id),
        "scopes": sorted(SCOPES),
        "context": {"username": "ada"},
        "iat": int(now().timestamp()),
        "exp": int(now().timestamp()) + 900,
        "jti": str(uuid4()),
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(payload: dict[str, Any], key: SigningKey = KEYS.signing, kid: str | None = None) -> str:
    return jwt.encode(payload, key.private, "ES256", headers={"kid": kid or key.id})


def base64url(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def refused(token: str) -> Refusal:
    with pytest.raises(TokenRefused) as error:
        tokens().verify(token)
    return error.value.refusal


class TestIssue:
    def test_token_holds_every_claim(self) -> None:
        token = tokens().issue(USER, SESSION, now())
        header = jwt.get_unverified_header(token.value)
        body = jwt.decode(token.value, options={"verify_signature": False})
        assert header == {"alg": "ES256", "kid": KEYS.signing.id, "typ": "JWT"}
        assert set(body) == set(CLAIMS)
        assert body["context"] == {"username": "ada"}
        assert token.expires_at.timestamp() == body["exp"]

    def test_issued_token_is_verified(self) -> None:
        principal = tokens().verify(tokens().issue(USER, SESSION, now()).value)
        assert principal.user_id == USER.id
        assert principal.session_id == SESSION.id
        assert principal.scopes == SCOPES


class TestVerify:
    def test_token_built_by_hand_is_accepted(self) -> None:
        # The forgeries below differ from this in one thing each.
        assert tokens().verify(signed(claims())).username == "ada"

    @pytest.mark.asvs("9.1.1", "9.1.2")
    def test_unsigned_token_is_refused(self) -> None:
        header = base64url({"alg": "none", "typ": "JWT", "kid": KEYS.signing.id})
        assert refused(f"{header}.{base64url(claims())}.") is Refusal.INVALID

    @pytest.mark.asvs("9.1.2")
    def test_hmac_under_the_public_key_is_refused(self) -> None:
        public = KEYS.signing.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        header = base64url({"alg": "HS256", "typ": "JWT", "kid": KEYS.signing.id})
        message = f"{header}.{base64url(claims())}"
        digest = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
            message.encode(), public
        )
        signature = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        assert refused(f"{message}.{signature}") is Refusal.INVALID

    @pytest.mark.asvs("9.1.1")
    def test_another_key_under_a_known_kid_is_refused(self) -> None:
        token = signed(claims(), SigningKey.generate(), kid=KEYS.signing.id)
        assert refused(token) is Refusal.INVALID

    @pytest.mark.asvs("9.1.3")
    def test_unknown_kid_is_refused(self) -> None:
        assert refused(signed(claims(), SigningKey.generate())) is Refusal.INVALID

    @pytest.mark.asvs("9.1.1")
    def test_altered_payload_is_refused(self) -> None:
        header, _, signature = signed(claims()).split(".")
        altered = base64url(claims(sub=str(uuid4())))
        assert refused(f"{header}.{altered}.{signature}") is Refusal.INVALID

    @pytest.mark.asvs("9.2.1")
    def test_expired_token_is_refused_as_expired(self) -> None:
        assert refused(signed(claims(exp=int(now().timestamp()) - 1))) is Refusal.EXPIRED

    def test_expired_forgery_is_refused_as_invalid(self) -> None:
        token = signed(claims(exp=0), SigningKey.generate(), kid=KEYS.signing.id)
        assert refused(token) is Refusal.INVALID

    @pytest.mark.asvs("9.2.2")
    @pytest.mark.parametrize("claim", CLAIMS)
    def test_token_without_a_claim_is_refused(self, claim: str) -> None:
        assert refused(signed(claims(**{claim: None}))) is Refusal.INVALID

    @pytest.mark.asvs("9.2.3", "9.2.4")
    @pytest.mark.parametrize(
        "change",
        [
            {"iss": "https://elsewhere.example"},
            {"aud": "other"},
            {"aud": [AUDIENCE, "other"]},
            {"sub": "ada"},
            {"sid": "1"},
            {"sid": 7},
            {"scopes": 7},
            {"scopes": [7]},
            {"scopes": "tweets:read"},
            {"context": "ada"},
            {"context": {}},
            {"context": {"username": 7}},
            {"context": {"username": "ada\r\nx-auth-scopes: root"}},
            {"exp": "soon"},
            {"exp": 10**30},
        ],
        ids=repr,
    )
    def test_claim_of_another_value_or_type_is_refused(self, change: dict[str, Any]) -> None:
        assert refused(signed(claims(**change))) is Refusal.INVALID

    @pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c", "....", "\u00e9.\u00e9.\u00e9"])
    def test_text_that_is_no_token_is_refused(self, text: str) -> None:
        assert refused(text) is Refusal.INVALID

    @pytest.mark.asvs("9.2.1")
    def test_token_that_is_not_valid_yet_is_refused(self) -> None:
        assert refused(signed(claims(nbf=int(now().timestamp()) + 60))) is Refusal.INVALID

    @pytest.mark.asvs("9.1.3")
    @pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
    def test_key_that_a_header_brings_is_ignored(self, name: str) -> None:
        forger = SigningKey.generate()
        brought = {"jwk": forger.jwk(), "x5c": []}.get(name, "https://forger.example/jwks.json")
        for kid in (KEYS.signing.id, forger.id):
            headers = {"kid": kid, name: brought}
            token = jwt.encode(claims(), forger.private, "ES256", headers=headers)
            assert refused(token) is Refusal.INVALID

    @pytest.mark.asvs("9.2.2")
    def test_refresh_token_and_mailed_code_are_refused(self) -> None:
        codes = HmacCodes("s" * 32)
        seed = codes.seed()
        for text in (HmacRefreshTokens("s" * 32).first(), codes.code(seed), codes.short_code(seed)):
            assert refused(text) is Refusal.INVALID

    def test_token_issued_by_a_clock_ahead_is_accepted(self) -> None:
        tokens().verify(signed(claims(iat=int(now().timestamp()) + 30)))


class TestUse:
    def test_replaced_ring_signs_and_verifies_at_once(self) -> None:
        issuer = tokens()
        before = issuer.issue(USER, SESSION, now()).value
        following = KeyRing.of(SigningKey.generate())
        issuer.use(following)
        after = issuer.issue(USER, SESSION, now()).value
        assert jwt.get_unverified_header(after)["kid"] == following.signing.id
        issuer.verify(after)
        with pytest.raises(TokenRefused):
            issuer.verify(before)


class TestRefreshTokens:
    @pytest.mark.asvs("7.2.3")
    def test_first_tokens_are_256_random_bits(self) -> None:
        mint = HmacRefreshTokens("a secret of thirty-two characters")
        first = {mint.first() for _ in range(100)}
        assert len(first) == 100
        for token in first:
            assert len(base64.urlsafe_b64decode(token + "=")) == 32

    def test_successor_depends_on_token_and_secret(self) -> None:
        ours, theirs = HmacRefreshTokens("one secret"), HmacRefreshTokens("another secret")
        token = ours.first()
        assert ours.successor(token) == ours.successor(token) != theirs.successor(token)
