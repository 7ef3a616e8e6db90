"""Answers other services over gRPC: about tokens and sessions, and with mails about accounts."""

import hmac
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn, TypeVar
from uuid import UUID

import grpc
import structlog
from grpc.aio import ServicerContext

from chassis.database import UNAVAILABLE
from chassis.errors import TokenRefused
from chassis.principal import Principal
from subgraphs.auth import account_mails_pb2
from subgraphs.auth import sessions_pb2 as pb
from subgraphs.auth.domain import MailContent, ReportedSignIn
from subgraphs.auth.links import link_path
from subgraphs.auth.mails import AccountMails, MailNotWanted
from subgraphs.auth.verification import Verification

SESSIONS = "auth.v1.Sessions"
ACCOUNT_MAILS = "auth.v1.AccountMails"
MAX_SESSIONS = 1000
"""Sessions that one call may ask about."""

_log = structlog.get_logger("auth.grpc")

_Context = ServicerContext[Any, Any]
M = TypeVar("M", bound=Callable[..., Any])


def sessions_handler(verification: Verification) -> grpc.GenericRpcHandler:
    """Return the service `SESSIONS`."""

    async def verify_token(request: pb.VerifyTokenRequest, _: _Context) -> pb.VerifyTokenResponse:
        try:
            verified = await verification.token(request.token.encode())
        except TokenRefused as refused:
            return pb.VerifyTokenResponse(refusal=f"REFUSAL_{refused.refusal.name}")
        return pb.VerifyTokenResponse(principal=_message(verified.principal))

    async def check_sessions(
        request: pb.CheckSessionsRequest, context: _Context
    ) -> pb.CheckSessionsResponse:
        if len(request.session_ids) > MAX_SESSIONS:
            await _refuse(context, f"session_ids must hold at most {MAX_SESSIONS} ids.")
        try:
            session_ids = [UUID(session_id) for session_id in request.session_ids]
        except ValueError:
            await _refuse(context, "session_ids must be UUIDs.")
        ended = await verification.ended(session_ids)
        return pb.CheckSessionsResponse(ended_session_ids=map(str, ended))

    return grpc.method_handlers_generic_handler(
        SESSIONS,
        {
            "VerifyToken": grpc.unary_unary_rpc_method_handler(
                _masked(verify_token),
                request_deserializer=pb.VerifyTokenRequest.FromString,
                response_serializer=pb.VerifyTokenResponse.SerializeToString,
            ),
            "CheckSessions": grpc.unary_unary_rpc_method_handler(
                _masked(check_sessions),
                request_deserializer=pb.CheckSessionsRequest.FromString,
                response_serializer=pb.CheckSessionsResponse.SerializeToString,
            ),
        },
    )


def account_mails_handler(mails: AccountMails, secret: str) -> grpc.GenericRpcHandler:
    """Return the service `ACCOUNT_MAILS`. It hands out codes, so a call needs the secret."""

    async def get_mail(
        request: account_mails_pb2.GetMailRequest, context: _Context
    ) -> account_mails_pb2.GetMailResponse:
        sent = dict(context.invocation_metadata() or ()).get("x-mail-secret", "")
        if not hmac.compare_digest(str(sent).encode(), secret.encode()):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "x-mail-secret is wrong.")
        try:
            mail_id = UUID(request.mail_id)
        except ValueError:
            await _refuse(context, "mail_id must be a UUID.")
        try:
            content = await mails.content(mail_id)
            return account_mails_pb2.GetMailResponse(mail=_mail(content))
        except MailNotWanted as reason:
            return account_mails_pb2.GetMailResponse(not_wanted=str(reason))
        except UNAVAILABLE:
            raise
        except Exception:
            # Not an outage: the notifier would let every other mail wait for this one.
            _log.exception("account mail failed", mail=str(mail_id))
            await context.abort(grpc.StatusCode.INTERNAL, "Auth fails at this mail.")

    return grpc.method_handlers_generic_handler(
        ACCOUNT_MAILS,
        {
            "GetMail": grpc.unary_unary_rpc_method_handler(
                _masked(get_mail),
                request_deserializer=account_mails_pb2.GetMailRequest.FromString,
                response_serializer=account_mails_pb2.GetMailResponse.SerializeToString,
            ),
        },
    )


def _sign_in(reported: ReportedSignIn) -> account_mails_pb2.SignIn:
    return account_mails_pb2.SignIn(
        at=int(reported.at.timestamp()), browser=reported.browser, system=reported.system
    )


def _mail(content: MailContent) -> account_mails_pb2.AccountMail:
    return account_mails_pb2.AccountMail(
        kind=f"KIND_{content.kind.name}",
        address=content.address,
        username=content.username,
        link_path=link_path(content.kind, content.code),
        short_code=content.short_code,
        valid_seconds=int(content.valid_for.total_seconds()),
        sign_in=_sign_in(content.sign_in) if content.sign_in else None,
    )


def _message(principal: Principal) -> pb.Principal:
    return pb.Principal(
        user_id=str(principal.user_id),
        username=principal.username,
        scopes=sorted(principal.scopes),
        session_id=str(principal.session_id),
        expires_at=int(principal.expires_at.timestamp()),
    )


async def _refuse(context: _Context, reason: str) -> NoReturn:
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, reason)
    raise AssertionError("abort raises")


def _masked(method: M) -> M:
    """Return `method` with UNAVAILABLE for an exception, whose text gRPC would send the caller."""

    @wraps(method)
    async def answer(request: Any, context: _Context) -> Any:
        try:
            return await method(request, context)
        except grpc.aio.AbortError:
            raise
        except Exception:
            _log.exception("grpc call failed")
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Auth cannot answer right now.")

    return answer  # type: ignore[return-value]
