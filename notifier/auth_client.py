"""Fetches the content of mails about accounts from auth, over gRPC."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import grpc

from chassis.channels import channel_options
from chassis.settings import Secret
from notifier import account_mails_pb2 as pb
from notifier.domain import AccountMail, AccountMailKind, ReportedSignIn
from notifier.errors import ContentFailed, ContentUnavailable, MailNotWanted, UnknownContent

if TYPE_CHECKING:
    from grpc.aio import UnaryUnaryMultiCallable

SERVICE = "auth.v1.AccountMails"
SECRET = "x-mail-secret"  # noqa: S105
"""The metadata with the secret that auth and the notifier share."""

_TIMEOUT = 3.0  # seconds
_ONE_MAIL = {grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT}
"""Failures that concern one mail. Any other is an outage of auth, for every mail."""
_KINDS = {
    pb.KIND_VERIFY_EMAIL: AccountMailKind.VERIFY_EMAIL,
    pb.KIND_CHANGE_EMAIL: AccountMailKind.CHANGE_EMAIL,
    pb.KIND_RESET_PASSWORD: AccountMailKind.RESET_PASSWORD,
    pb.KIND_EMAIL_CHANGED: AccountMailKind.EMAIL_CHANGED,
    pb.KIND_PASSWORD_CHANGED: AccountMailKind.PASSWORD_CHANGED,
    pb.KIND_NEW_SIGN_IN: AccountMailKind.NEW_SIGN_IN,
    pb.KIND_ACCOUNT_DISABLED: AccountMailKind.ACCOUNT_DISABLED,
    pb.KIND_ACCOUNT_ENABLED: AccountMailKind.ACCOUNT_ENABLED,
    pb.KIND_SESSIONS_ENDED: AccountMailKind.SESSIONS_ENDED,
    pb.KIND_RESET_REQUIRED: AccountMailKind.RESET_REQUIRED,
    pb.KIND_ACCOUNT_DELETED: AccountMailKind.ACCOUNT_DELETED,
    pb.KIND_PASSWORD_BREACHED: AccountMailKind.PASSWORD_BREACHED,
    pb.KIND_ROLES_CHANGED: AccountMailKind.ROLES_CHANGED,
}


class GrpcAccountMails:
    """A client of `auth.v1.AccountMails`. It connects with the first call and reconnects itself."""

    def __init__(self, target: str, secret: Secret) -> None:
        """`target` is `host:port`, or another target that gRPC resolves."""
        self._target = target
        self._metadata = ((SECRET, str(secret)),)
        self._get: UnaryUnaryMultiCallable[pb.GetMailRequest, pb.GetMailResponse]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open the channel inside the block; only there may `fetch` be called."""
        options = channel_options(SERVICE)
        async with grpc.aio.insecure_channel(self._target, options=options) as channel:
            self._get = channel.unary_unary(
                f"/{SERVICE}/GetMail",
                request_serializer=pb.GetMailRequest.SerializeToString,
                response_deserializer=pb.GetMailResponse.FromString,
            )
            yield

    async def fetch(self, mail_id: UUID) -> AccountMail:
        request = pb.GetMailRequest(mail_id=str(mail_id))
        try:
            answer = await self._get(request, timeout=_TIMEOUT, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            code = error.code()
            failure = ContentFailed if code in _ONE_MAIL else ContentUnavailable
            raise failure(f"auth: {code.name}") from error
        outcome = answer.WhichOneof("outcome")
        if outcome == "not_wanted":
            raise MailNotWanted(answer.not_wanted)
        if outcome != "mail" or answer.mail.kind not in _KINDS:
            raise UnknownContent("auth gave content of an unknown kind")
        mail = answer.mail
        return AccountMail(
            kind=_KINDS[mail.kind],
            address=mail.address,
            username=mail.username,
            link_path=mail.link_path,
            short_code=mail.short_code,
            valid_for=timedelta(seconds=mail.valid_seconds),
            sign_in=_sign_in(mail.sign_in) if mail.HasField("sign_in") else None,
        )


def _sign_in(sign_in: pb.SignIn) -> ReportedSignIn:
    return ReportedSignIn(datetime.fromtimestamp(sign_in.at, UTC), sign_in.browser, sign_in.system)
