"""The key pairs that sign and verify access tokens, and the steps in which they are replaced."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

_EVER = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One P-256 key pair, named by its RFC 7638 thumbprint."""

    private: ec.EllipticCurvePrivateKey = field(repr=False)
    id: str

    @classmethod
    def generate(cls) -> "SigningKey":
        return cls._named(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def parse(cls, text: str) -> "SigningKey":
        """Read a P-256 key: base64url of PKCS #8. Raises ValueError."""
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        try:
            key = serialization.load_der_private_key(data, password=None)
        except (TypeError, UnsupportedAlgorithm):
            raise ValueError("not a P-256 key") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise ValueError("not a P-256 key")
        return cls._named(key)

    @classmethod
    def _named(cls, key: ec.EllipticCurvePrivateKey) -> "SigningKey":
        return cls(key, _base64url(hashlib.sha256(orjson.dumps(_public_members(key))).digest()))

    def serialize(self) -> str:
        """Return the private key as `parse` reads it."""
        return _base64url(
            self.private.private_bytes(
                serialization.Encoding.DER,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )

    def jwk(self) -> dict[str, Any]:
        """Return the public half as a JSON Web Key (RFC 7517)."""
        return _public_members(self.private) | {"kid": self.id, "use": "sig", "alg": "ES256"}


def _public_members(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """Return the required members in the order in which RFC 7638 hashes them."""
    numbers = key.public_key().public_numbers()
    return {
        "crv": "P-256",
        "kty": "EC",
        "x": _base64url(numbers.x.to_bytes(32, "big")),
        "y": _base64url(numbers.y.to_bytes(32, "big")),
    }


class Use(StrEnum):
    """What a key of the ring does. All of them verify."""

    NEXT = "next"
    """Signs nothing yet."""
    SIGNING = "signing"
    RETIRED = "retired"
    """Signs no more."""


class Step(StrEnum):
    """A step of a rotation."""

    ADD = "add"
    """A new key verifies."""
    PROMOTE = "promote"
    """The new key signs, and the one before is retired."""
    REMOVE = "remove"
    """The retired key is removed."""


class TooEarlyError(Exception):
    """A step of a rotation is not due yet."""

    def __init__(self, step: Step, due: datetime) -> None:
        super().__init__(f"the next step, {step}, is due at {due:%Y-%m-%d %H:%M:%S %Z}")
        self.due = due


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a rotation waits after a step."""

    spread: timedelta
    """Until every process has read the file, and no cached JWKS is older than that."""
    tokens: timedelta
    """Until every token is refused as expired: their lifetime and a tolerance for clocks."""


@dataclass(frozen=True, slots=True)
class RingKey:
    """A key of the ring, and since when it has had its use."""

    key: SigningKey
    use: Use
    since: datetime


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of a deployment: one signs, all of them verify.

    `rotated` replaces the signing key without refusing a token (docs/adr/0028).
    """

    keys: Sequence[RingKey]

    def __post_init__(self) -> None:
        if [key.use for key in self.keys].count(Use.SIGNING) != 1:
            raise ValueError("the ring must have one key that signs")
        if len({key.key.id for key in self.keys}) < len(self.keys):
            raise ValueError("the ring has a key twice")

    @classmethod
    def of(cls, key: SigningKey, since: datetime = _EVER) -> "KeyRing":
        """Return the ring of one key."""
        return cls([RingKey(key, Use.SIGNING, since)])

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Read what `serialize` returns, or a single key as `SigningKey.parse` reads it.

        Raises ValueError with a message that contains no key.
        """
        text = text.strip()
        try:
            if not text.startswith("{"):
                return cls.of(SigningKey.parse(text))
            return cls([_ring_key(entry) for entry in orjson.loads(text)["keys"]])
        except orjson.JSONDecodeError as error:
            raise ValueError(f"not JSON: {error.msg}, line {error.lineno}") from None
        except KeyError as error:
            raise ValueError(f"not a key ring: {error} is missing") from None
        except TypeError:
            raise ValueError("not a key ring") from None

    def serialize(self) -> str:
        """Return the ring as JSON, as `parse` reads it."""
        entries = [
            {"id": k.key.id, "use": k.use, "since": k.since.isoformat(), "key": k.key.serialize()}
            for k in self.keys
        ]
        return orjson.dumps({"keys": entries}, option=orjson.OPT_INDENT_2).decode() + "\n"

    @property
    def signing(self) -> SigningKey:
        """The key that signs."""
        (signing,) = self._with(Use.SIGNING)
        return signing.key

    def public_keys(self) -> Mapping[str, ec.EllipticCurvePublicKey]:
        """Return the keys that verify, by id."""
        return {key.key.id: key.key.private.public_key() for key in self.keys}

    def jwks(self) -> dict[str, Any]:
        """Return the public keys as a JSON Web Key Set."""
        return {"keys": [key.key.jwk() for key in self.keys]}

    def next_step(self) -> Step:
        """Return the step that continues a rotation, or begins one."""
        if self._with(Use.RETIRED):
            return Step.REMOVE
        return Step.PROMOTE if self._with(Use.NEXT) else Step.ADD

    def due(self, waits: Waits) -> datetime:
        """Return when the next step may be taken: until then it would refuse good tokens."""
        match self.next_step():
            case Step.ADD:
                return _EVER
            case Step.PROMOTE:
                # Another process, or the reader of a cached JWKS, may not know the key before.
                return max(key.since for key in self._with(Use.NEXT)) + waits.spread
            case Step.REMOVE:
                # Another process may have signed with it until it read the file.
                return (
                    max(key.since for key in self._with(Use.RETIRED)) + waits.spread + waits.tokens
                )

    def rotated(self, now: datetime, waits: Waits) -> "KeyRing":
        """Return the ring after the next step. Raises TooEarlyError if it is not due."""
        step = self.next_step()
        if now < (due := self.due(waits)):
            raise TooEarlyError(step, due)
        match step:
            case Step.ADD:
                return KeyRing([*self.keys, RingKey(SigningKey.generate(), Use.NEXT, now)])
            case Step.PROMOTE:
                following = {Use.NEXT: Use.SIGNING, Use.SIGNING: Use.RETIRED}
                return KeyRing([replace(k, use=following[k.use], since=now) for k in self.keys])
            case Step.REMOVE:
                return KeyRing([key for key in self.keys if key.use is not Use.RETIRED])

    def _with(self, use: Use) -> Sequence[RingKey]:
        return [key for key in self.keys if key.use is use]


def _ring_key(entry: Mapping[str, str]) -> RingKey:
    """Raises KeyError, TypeError or ValueError."""
    # Python's own messages quote the value, which is the key if somebody confused the fields.
    try:
        since, use = datetime.fromisoformat(entry["since"]), Use(entry["use"])
    except ValueError:
        raise ValueError("the time or the use of a key is not valid") from None
    if since.tzinfo is None:
        raise ValueError("the time of a key lacks its time zone")
    return RingKey(SigningKey.parse(entry["key"]), use, since)
