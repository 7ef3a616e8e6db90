"""The key pairs that sign and verify access tokens, and the setting that holds them."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One P-256 key pair, named by its RFC 7638 thumbprint."""

    private: ec.EllipticCurvePrivateKey
    id: str

    @classmethod
    def generate(cls) -> "SigningKey":
        return cls._named(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def parse(cls, text: str) -> "SigningKey":
        """Read a P-256 key: base64url of PKCS #8. Raises ValueError."""
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        key = serialization.load_der_private_key(data, password=None)
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


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of a deployment: the first signs, all of them verify.

    To change the signing key without refusing a token, `add` a key and deploy, `promote` it and
    deploy, and `remove` the old one after the last token that it signed has expired.
    """

    keys: Sequence[SigningKey]

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Read a comma-separated list of keys. Raises ValueError."""
        keys = [SigningKey.parse(part.strip()) for part in text.split(",") if part.strip()]
        if not keys:
            raise ValueError("no key")
        return cls(keys)

    def serialize(self) -> str:
        """Return the keys as `parse` reads them."""
        return ",".join(key.serialize() for key in self.keys)

    @property
    def signing(self) -> SigningKey:
        """The key that signs."""
        return self.keys[0]

    def add(self, key: SigningKey) -> "KeyRing":
        """Return the ring with another key that verifies."""
        return KeyRing([*self.keys, key])

    def promote(self, key_id: str) -> "KeyRing":
        """Return the ring in which this key signs. Raises KeyError for an unknown id."""
        key = self._find(key_id)
        return KeyRing([key, *(other for other in self.keys if other is not key)])

    def remove(self, key_id: str) -> "KeyRing":
        """Return the ring without a key.

        Raises KeyError for an unknown id, ValueError for the last key.
        """
        key = self._find(key_id)
        if len(self.keys) == 1:
            raise ValueError("the last key cannot be removed")
        return KeyRing([other for other in self.keys if other is not key])

    def jwks(self) -> dict[str, Any]:
        """Return the public keys as a JSON Web Key Set."""
        return {"keys": [key.jwk() for key in self.keys]}

    def _find(self, key_id: str) -> SigningKey:
        for key in self.keys:
            if key.id == key_id:
                return key
        raise KeyError(key_id)
