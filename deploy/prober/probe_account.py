"""The accounts that the prober signs up and deletes."""

import hmac
from hashlib import sha256

import httpx

from client.api import Account, Data, UnexpectedOutcomeError, expect, run, send, sign_in, sign_up
from client.documents import DELETE_ACCOUNT

DOMAIN = "prober.example"
"""Of the accounts' addresses. No domain below `.example` exists, and auth sends no mail there."""


class ProbeAccount:
    """An account whose name and password follow from the prober's name and secret.

    A prober that starts after one that was killed therefore finds and deletes what the other left.
    Without the secret the name cannot be guessed, so no other user can take it.

    Every method raises ApiError, httpx.TransportError.
    """

    def __init__(self, http: httpx.Client, name: str, secret: str) -> None:
        self.username = f"p_{_derived(secret, f'name {name}')[:16]}"
        self.session: Account | None = None
        self._first: Account | None = None
        """The session of sign-up, which stays open for the deletion."""
        self._device: dict[str, str] = {}
        """Counts the sign-ins apart from those of strangers, of which there may be few."""
        self._http = http
        self._password = _derived(secret, f"password {name}")

    @property
    def token(self) -> str:
        return self.session.token if self.session else ""

    def status(self, query: str) -> int:
        return send(self._http, query, self.session).status_code

    def run(self, query: str, **variables: str) -> Data:
        return run(self._http, query, self.session, **variables)

    def sign_up(self) -> None:
        address = f"{self.username}@{DOMAIN}"
        self._first = sign_up(self._http, self.username, self._password, email=address)
        self._use(self._first)

    def sign_in(self) -> None:
        self._use(sign_in(self._http, self.username, self._password, **self._device))

    def exists(self) -> bool:
        """Sign in if the account exists, and return whether it does."""
        self.session = None
        try:
            self.sign_in()
        except UnexpectedOutcomeError as outcome:
            if outcome.kind != "InvalidCredentialsError":
                raise
        return self.session is not None

    def delete(self) -> None:
        """Delete the account if it exists."""
        self.session, self._first = self._first, None  # a second try signs in again
        if self.session or self.exists():
            deleted = self.run(DELETE_ACCOUNT, password=self._password)
            expect("AccountDeleted", deleted["deleteAccount"])
            self.session, self._device = None, {}

    def _use(self, session: Account) -> None:
        self.session, self._device = session, {"deviceToken": session.device_token}


def _derived(secret: str, purpose: str) -> str:
    return hmac.new(secret.encode(), purpose.encode(), sha256).hexdigest()
