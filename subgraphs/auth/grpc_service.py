"""Answers other services about tokens and sessions: `auth.v1.Sessions`, over gRPC."""

from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn, TypeVar
from uuid import UUID

import grpc
import structlog
from grpc.aio import ServicerContext

from chassis.errors import TokenRefused
from chassis.principal import Principal
from subgraphs.auth import sessions_pb2 as pb
from subgraphs.auth.verification import Verification

SERVICE = "auth.v1.Sessions"
MAX_SESSIONS = 1000
"""Sessions that one call may ask about."""

_log = structlog.get_logger("auth.grpc")

_Context = ServicerContext[Any, Any]
M = TypeVar("M", bound=Callable[..., Any])


def sessions_handler(verification: Verification) -> grpc.GenericRpcHandler:
    """Return the service, for `Server.add_generic_rpc_handlers`."""

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
        SERVICE,
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
