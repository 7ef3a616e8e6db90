"""Auth's gRPC services with mails about accounts whose codes are derived, for the chaos test.

`python -m tests.chaos.auth_server PORT FOLDER`. Codes follow from the mail's id and a secret that
only this process has; FOLDER/codes gets a line for each one that was given out.
"""

import asyncio
import hmac
import secrets
import sys
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn
from uuid import UUID

from chassis.errors import TokenRefused
from chassis.shutdown import Shutdown
from notifier.account_mails_pb2 import GetMailResponse
from notifier.auth_client import SERVICE as ACCOUNT_MAILS
from subgraphs.auth.grpc_server import serving
from subgraphs.auth.grpc_service import SESSIONS, sessions_handler
from subgraphs.auth.verification import Verification
from tests.account_mails import AccountMailsService, mail


class Mails:
    def __init__(self, folder: Path) -> None:
        self._secret = secrets.token_bytes(32)
        self._codes = (folder / "codes").open("a")

    def __call__(self, mail_id: UUID) -> GetMailResponse:
        code = hmac.digest(self._secret, mail_id.bytes, "sha256")
        long, short = code.hex(), f"{int.from_bytes(code[:8]) % 10**8:08}"
        self._codes.write(f"{long}\n{short}\n")
        self._codes.flush()
        return mail(
            address=f"{mail_id.hex}@example.com",
            link_path=f"/account/reset-password?code={long}",
            short_code=short,
        )


class NoSessions:
    is_current = True

    def has_ended(self, _: str) -> bool:
        return False


def _no_token(_: str) -> NoReturn:
    raise TokenRefused


async def _no_session(_: Collection[UUID]) -> Collection[UUID]:
    return []


async def _healthy() -> bool:
    return True


async def main(port: int, folder: Path) -> None:
    verification = Verification(_no_token, NoSessions(), _no_session, cache_size=1)
    mails = AccountMailsService(Mails(folder))
    async with serving(
        {SESSIONS: sessions_handler(verification), ACCOUNT_MAILS: mails.handler()},
        address=f"127.0.0.1:{port}",
        can_answer=_healthy,
        shutdown=Shutdown(),
        reflected=False,
    ):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
