"""The forms of the pages: their fields, and how they are read."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request

from chassis.pages import Field
from subgraphs.auth.domain import SHORT_CODE_DIGITS
from subgraphs.auth.errors import InvalidInput
from subgraphs.auth.logins import MAX_INPUT_LENGTH, PASSWORD_LENGTH

MAX_SIZE = 8 * 1024
"""Bytes of a form. Each character of a password may take twelve: 128 of them, and an address."""

_MAX_FIELDS = 10
_AGAIN = "Open the page again and use its form."


async def read_form(
    request: Request, required: Collection[str], optional: Collection[str] = ()
) -> dict[str, str]:
    """Return the fields of a form by their names. Each is given once; others are ignored.

    Raises HTTPException: 400, 413 or 415.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise HTTPException(415, f"It is not the form of this page. {_AGAIN}")
    given = _parse(await _body(request))
    for name in (*required, *optional):
        count = len(given.get(name, ()))
        if count > 1 or (count == 0 and name in required):
            problem = "is missing" if count == 0 else "is given more than once"
            raise HTTPException(400, f"The field {name} {problem}. {_AGAIN}")
    return {name: given[name][0] for name in (*required, *optional) if name in given}


def _parse(body: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError:
        raise HTTPException(400, f"Part of the form is not readable. {_AGAIN}") from None


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_SIZE:
            raise HTTPException(
                413, f"The form has more than {MAX_SIZE} bytes. Use shorter values."
            )
    return body


def email_field(value: str) -> Field:
    attributes: dict[str, str | int] = {
        "type": "text",  # browsers refuse some addresses in a field of the type `email`
        "inputmode": "email",
        "autocomplete": "email",
        "autocapitalize": "none",
        "spellcheck": "false",
    }
    return Field("email", "E-mail address", attributes, value)


def code_field() -> Field:
    attributes: dict[str, str | int] = {
        "type": "text",
        "autocomplete": "one-time-code",
        "inputmode": "numeric",
    }
    return Field("code", "Code", attributes, hint=f"The {SHORT_CODE_DIGITS} digits in the mail.")


def password_field() -> Field:
    shortest, longest = PASSWORD_LENGTH.start, PASSWORD_LENGTH.stop - 1
    attributes: dict[str, str | int] = {
        "type": "password",
        "autocomplete": "new-password",
        "minlength": shortest,
        # Browsers cut a longer text that is pasted, and count some characters twice.
        "maxlength": MAX_INPUT_LENGTH,
    }
    return Field(
        "newPassword", "New password", attributes, hint=f"{shortest} to {longest} characters."
    )


def with_problems(fields: Sequence[Field], problems: Mapping[str, str]) -> list[Field]:
    """Return the fields with their problems; those of other fields are shown at the first one."""
    names = {field.name for field in fields}
    others = [message for name, message in problems.items() if name not in names]
    own = [problems.get(field.name, "") for field in fields]
    own[0] = " ".join(filter(None, (own[0], *others)))
    return [replace(field, problem=problem) for field, problem in zip(fields, own, strict=True)]


def messages(error: InvalidInput) -> dict[str, str]:
    """Return the message for each field."""
    messages: dict[str, str] = {}
    for problem in error.problems:
        messages[problem.field] = f"{messages.get(problem.field, '')} {problem.message}".strip()
    return messages
