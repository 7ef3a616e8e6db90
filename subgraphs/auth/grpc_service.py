"""Answers other services about tokens and sessions: `auth.v1.Sessions`, over gRPC."""

from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn, TypeVar
from uuid import UUID

import grpc
import structlog
from grpc.aio import ServicerContext

from subgraphs.auth import sessions_pb2 as pb
from subgraphs.auth.errors import InvalidAccessToken, Refusal
from subgraphs.auth.verification import Verification

SERVICE = "auth.v1.Sessions"
LIMIT = 1000
"""Sessions that one call may ask about."""

_REFUSALS = {
    Refusal.INVALID: pb.REFUSAL_INVALID,
    Refusal.EXPIRED: pb.REFUSAL_EXPIRED,
    Refusal.SESSION_ENDED: pb.REFUSAL_SESSION_ENDED,
}
_log = structlog.get_logger("auth.sessions")

_Context = ServicerContext[Any, Any]
M = TypeVar("M", bound=Callable[..., Any])


def sessions_handler(verification: Verification) -> grpc.GenericRpcHandler:
    """The service, for `Server.add_generic_rpc_handlers`."""

    async def verify_token(request: pb.VerifyTokenRequest, _: _Context) -> pb.VerifyTokenResponse:
        try:
            principal = (await verification.token(request.token.encode())).principal
        except InvalidAccessToken as refused:
            return pb.VerifyTokenResponse(refusal=_REFUSALS[refused.refusal])
        return pb.VerifyTokenResponse(
            principal=pb.Principal(
                user_id=str(principal.user_id),
                username=principal.username,
                scopes=sorted(principal.scopes),
                session_id=str(principal.session_id),
                expires_at=int(principal.expires_at.timestamp()),
            )
        )

    async def check_sessions(
        request: pb.CheckSessionsRequest, context: _Context
    ) -> pb.CheckSessionsResponse:
        if len(request.session_ids) > LIMIT:
            await _refuse(context, f"Ask about no more than {LIMIT} sessions at once.")
        try:
            session_ids = [UUID(session_id) for session_id in request.session_ids]
        except ValueError:
            await _refuse(context, "A session's id is a UUID.")
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


async def _refuse(context: _Context, reason: str) -> NoReturn:
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, reason)
    raise AssertionError("abort raises")


def _masked(method: M) -> M:
    """Says UNAVAILABLE for what goes wrong inside: gRPC would tell the caller what it was."""

    @wraps(method)
    async def answer(request: Any, context: _Context) -> Any:
        try:
            return await method(request, context)
        except grpc.aio.AbortError:
            raise
        except Exception:
            _log.exception("a question about sessions could not be answered")
            await context.abort(grpc.StatusCode.UNAVAILABLE, "It cannot be known at the moment.")

    return answer  # type: ignore[return-value]
