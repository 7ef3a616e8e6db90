"""The pages where mails about accounts lead: to verify, recover and restore.

`GET` changes nothing, because mail scanners open links; only `POST` acts. The code moves from the
link into the form, so that the address of the page after it holds none.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.pages import Form, Link, page, page_route, product
from subgraphs.auth.domain import NewPassword, User
from subgraphs.auth.errors import EmailTaken, InvalidCode, InvalidInput, TooManyAttempts
from subgraphs.auth.forms import (
    code_field,
    email_field,
    messages,
    password_field,
    read_form,
    with_problems,
)
from subgraphs.auth.limits import network_of
from subgraphs.auth.links import FORGOT_PASSWORD, RESET_PASSWORD, RESTORE_EMAIL, VERIFY_EMAIL

_ANOTHER_MAIL = Link("Request another mail", FORGOT_PASSWORD)
_BROKEN = "This link does not work"
_WHY_BROKEN = "It has been used or has expired, or part of it is missing."
_WRONG_CODE = "The code is wrong, used or expired, or is for another address."
_TYPE_THE_CODE = Link("Type the code from the mail", RESET_PASSWORD)


class Accounts(Protocol):
    """The use cases behind the pages. Each may raise Overloaded; `network` is the client's."""

    async def verify_email(self, code: str, user_id: UUID | None, network: str) -> User:
        """Raises InvalidCode, EmailTaken or TooManyAttempts."""

    async def request_password_reset(self, email: str, network: str) -> object:
        """Raises InvalidInput or TooManyAttempts."""

    async def reset_password(
        self, code: str, new_password: str, email: str | None, network: str
    ) -> NewPassword:
        """`email` comes with a code that was typed. Raises InvalidCode, InvalidInput or
        TooManyAttempts."""

    async def restore_email(self, code: str, network: str) -> Sequence[UUID]:
        """Raises InvalidCode, EmailTaken or TooManyAttempts."""


def account_routes(accounts: Accounts) -> list[Route]:
    """Return the routes of the pages."""
    pages = _Pages(accounts)
    shown = {
        VERIFY_EMAIL: pages.verify_email,
        RESET_PASSWORD: pages.reset_password,
        RESTORE_EMAIL: pages.restore_email,
        FORGOT_PASSWORD: pages.forgot_password,
    }
    return [page_route(path, _with_refusals(show)) for path, show in shown.items()]


@dataclass(frozen=True, slots=True)
class _Pages:
    accounts: Accounts

    async def verify_email(self, request: Request) -> Response:
        if request.method != "POST":
            return _confirmation(request, _ask_to_verify, _unverified)
        code = (await read_form(request, ["code"]))["code"]
        try:
            user = await self.accounts.verify_email(code, None, _network(request))
        except InvalidCode:
            return _unverified()
        return page(
            "Your address is verified",
            f"{user.email} is the address of the account {user.username}.",
            links=[_go_on()],
        )

    async def restore_email(self, request: Request) -> Response:
        if request.method != "POST":
            return _confirmation(request, _ask_to_restore, _unrestored)
        code = (await read_form(request, ["code"]))["code"]
        try:
            await self.accounts.restore_email(code, _network(request))
        except InvalidCode:
            return _unrestored()
        return page(
            "Your address is restored",
            "Your account has its former address again. Every session has ended, and the old "
            "password is no longer accepted.",
            "Now choose a new password: a mail with a link to do so is on its way to you.",
            links=[_go_on()],
        )

    async def reset_password(self, request: Request) -> Response:
        if request.method != "POST":
            code = _code_in(request)
            return _ask_for_password({} if code is None else {"code": code})
        values = await read_form(request, ["code", "newPassword"], ["email"])
        try:
            changed = await self.accounts.reset_password(
                values["code"], values["newPassword"], values.get("email"), _network(request)
            )
        except InvalidInput as error:
            return _ask_for_password(values, messages(error))
        except InvalidCode:
            if "email" in values:
                return _ask_for_password(values, {"code": _WRONG_CODE})
            return page(_BROKEN, _WHY_BROKEN, links=[_ANOTHER_MAIL], status=400)
        return page(
            "Your password is changed",
            "Every session of your account has ended. Sign in with the new password.",
            links=[_go_on(changed.device_token)],
        )

    async def forgot_password(self, request: Request) -> Response:
        if request.method != "POST":
            return _ask_for_address()
        email = (await read_form(request, ["email"]))["email"]
        try:
            await self.accounts.request_password_reset(email, _network(request))
        except InvalidInput as error:
            return _ask_for_address(email, messages(error))
        # The same for an address that no account has.
        return page(
            "Look into your mailbox",
            f"If {email} is the verified address of an account, a mail with a link to choose a "
            "new password is on its way.",
            "If none arrives within a few minutes, look into the spam folder.",
            links=[_TYPE_THE_CODE, _ANOTHER_MAIL],
        )


def _network(request: Request) -> str:
    """Return the network of the client, for limits on attempts."""
    return network_of(request.headers.get("x-client-address", ""))


Show = Callable[[Request], Awaitable[Response]]


def _with_refusals(show: Show) -> Show:
    """Return `show` with pages for the errors that every form may end in."""

    async def respond(request: Request) -> Response:
        try:
            return await show(request)
        except TooManyAttempts as error:
            return _too_many_attempts(error.seconds)
        except EmailTaken:
            return page(
                "This address belongs to another account",
                "Another account has verified it meanwhile, so nothing was changed.",
                links=[_go_on()],
                status=409,
            )

    return respond


def _code_in(request: Request) -> str | None:
    """Return the code in the link; None if there is none, or more than one."""
    codes = request.query_params.getlist("code")
    return codes[0] if len(codes) == 1 and codes[0] else None


def _confirmation(
    request: Request, ask: Callable[[str], Response], refuse: Callable[[], Response]
) -> Response:
    code = _code_in(request)
    return refuse() if code is None else ask(code)


def _ask_to_verify(code: str) -> Response:
    return page(
        "Verify your address?",
        f"{product()} sends mail only to addresses that their owners have verified. If you have "
        "no account here, close this page: nothing changes then.",
        form=Form("Verify", VERIFY_EMAIL, hidden={"code": code}),
    )


def _unverified() -> Response:
    return page(
        _BROKEN,
        f"{_WHY_BROKEN} If your address is not "
        "verified yet, sign in and request another mail with the mutation "
        "requestEmailVerification.",
        links=[Link("Sign in", "/")],
        status=400,
    )


def _ask_to_restore(code: str) -> Response:
    return page(
        "Take your address back?",
        "Your account gets its former address again, every session ends, and you choose a new "
        "password. Do this if the address of your account was changed and you did not want that.",
        form=Form("Take it back", RESTORE_EMAIL, hidden={"code": code}),
    )


def _unrestored() -> Response:
    return page(
        _BROKEN,
        f"{_WHY_BROKEN} If your account still has an "
        f"address that you do not know, write to those who run {product()}.",
        links=[_go_on()],
        status=400,
    )


def _ask_for_password(
    values: Mapping[str, str], problems: Mapping[str, str] | None = None
) -> Response:
    """Return the form for a new password.

    `values` are those in the link or the form that was sent. A code that came with an address, or
    did not come yet, is typed; the code of a link is a hidden field.
    """
    typed = "email" in values or "code" not in values
    fields = [password_field()]
    if typed:
        fields = [email_field(values.get("email", "")), code_field(), *fields]
    return page(
        "Choose a new password",
        "Every session of your account ends. Then sign in with the new password.",
        form=Form(
            "Change password",
            RESET_PASSWORD,
            with_problems(fields, problems or {}),
            {} if typed else {"code": values["code"]},
        ),
        links=[_ANOTHER_MAIL] if typed else [],
        status=400 if problems else 200,
    )


def _ask_for_address(email: str = "", problems: Mapping[str, str] | None = None) -> Response:
    return page(
        "Forgot your password?",
        "Enter the address of your account. If it is verified, you get a mail with a link to "
        "choose a new password.",
        form=Form(
            "Send the mail", FORGOT_PASSWORD, with_problems([email_field(email)], problems or {})
        ),
        status=400 if problems else 200,
    )


def _too_many_attempts(seconds: int) -> Response:
    return page(
        "Too many attempts",
        f"Try again in {_duration(seconds)}. Until then this is refused, also with the right code.",
        status=429,
        headers={"retry-after": str(seconds)},
    )


def _duration(seconds: int) -> str:
    """Return a duration, rounded up: `1 minute`, `3 hours`."""
    unit, size = ("minute", 60) if seconds <= 90 * 60 else ("hour", 3600)
    count = ceil(seconds / size)
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _go_on(device_token: str = "") -> Link:
    """Return the link to the product's page.

    A device token goes there in the fragment, which no server sees: so the owner can sign in after
    a reset while strangers guess at the password.
    """
    return Link(f"Go to {product()}", f"/#device={device_token}" if device_token else "/")
