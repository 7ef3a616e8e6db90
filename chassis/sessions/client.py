"""Asks auth to verify tokens, and which sessions have ended, over gRPC."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import grpc
import structlog

from chassis.channels import channel_options
from chassis.errors import ClientError, Refusal, TokenRefused
from chassis.principal import Principal
from chassis.sessions import sessions_pb2 as pb

if TYPE_CHECKING:
    from grpc.aio import UnaryUnaryMultiCallable

_VERIFY_TIMEOUT = 3.0  # seconds, all attempts together
_CHECK_TIMEOUT = 0.5  # seconds, all attempts together; docs/adr/0006 counts on it
MAX_SESSIONS = 1000
"""Sessions that one call may ask about; auth refuses more."""
_MAX_TOKEN_LENGTH = 8192
_OPTIONS = channel_options(
    "auth.v1.Sessions",
    {
        "maxAttempts": 4,
        "initialBackoff": "0.05s",
        "maxBackoff": "0.5s",
        "backoffMultiplier": 3,
        "retryableStatusCodes": ["UNAVAILABLE"],
    },
)

_REFUSALS: Mapping[int, Refusal] = {
    pb.REFUSAL_EXPIRED: Refusal.EXPIRED,
    pb.REFUSAL_SESSION_ENDED: Refusal.SESSION_ENDED,
}

_log = structlog.get_logger("chassis.sessions")


class IdentityUnavailable(ClientError):
    """Auth does not answer."""

    code = "SERVICE_UNAVAILABLE"
    default = "We cannot verify your identity right now. Try again shortly."


class Sessions(Protocol):
    """What auth knows of tokens and sessions.

    Every method raises IdentityUnavailable when auth does not answer.
    """

    async def verify(self, token: str) -> Principal:
        """Return a token's principal. Raises TokenRefused."""

    async def ended(self, session_ids: Collection[str]) -> Collection[str]:
        """Return those of the sessions that have ended while a token of theirs may be valid."""


class GrpcSessions:
    """A client of `auth.v1.Sessions`. It connects with the first call and reconnects by itself."""

    def __init__(self, target: str) -> None:
        """`target` is `host:port`, or another target that gRPC resolves."""
        self._target = target
        self._verify: UnaryUnaryMultiCallable[pb.VerifyTokenRequest, pb.VerifyTokenResponse]
        self._check: UnaryUnaryMultiCallable[pb.CheckSessionsRequest, pb.CheckSessionsResponse]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open the channel inside the block; only there may the other methods be called."""
        async with grpc.aio.insecure_channel(self._target, options=_OPTIONS) as channel:
            self._verify = channel.unary_unary(
                "/auth.v1.Sessions/VerifyToken",
                request_serializer=pb.VerifyTokenRequest.SerializeToString,
                response_deserializer=pb.VerifyTokenResponse.FromString,
            )
            self._check = channel.unary_unary(
                "/auth.v1.Sessions/CheckSessions",
                request_serializer=pb.CheckSessionsRequest.SerializeToString,
                response_deserializer=pb.CheckSessionsResponse.FromString,
            )
            yield

    async def verify(self, token: str) -> Principal:
        if len(token) > _MAX_TOKEN_LENGTH:
            raise TokenRefused
        request = pb.VerifyTokenRequest(token=token)
        try:
            answer = await self._verify(request, timeout=_VERIFY_TIMEOUT)
        except grpc.aio.AioRpcError as error:
            raise _unavailable(error) from error
        if answer.WhichOneof("outcome") == "principal":
            return _principal(answer.principal)
        raise TokenRefused(_REFUSALS.get(answer.refusal, Refusal.INVALID))

    async def ended(self, session_ids: Collection[str]) -> Collection[str]:
        asked = list(session_ids)
        try:
            answers = await asyncio.gather(
                *(
                    self._ended(asked[start : start + MAX_SESSIONS])
                    for start in range(0, len(asked), MAX_SESSIONS)
                )
            )
        except grpc.aio.AioRpcError as error:
            raise _unavailable(error) from error
        return [session_id for answer in answers for session_id in answer.ended_session_ids]

    async def has_ended(self, session_id: str) -> bool:
        """Return whether one session has ended. Raises IdentityUnavailable."""
        return session_id in await self.ended([session_id])

    async def _ended(self, session_ids: list[str]) -> pb.CheckSessionsResponse:
        request = pb.CheckSessionsRequest(session_ids=session_ids)
        return await self._check(request, timeout=_CHECK_TIMEOUT)


def _principal(message: pb.Principal) -> Principal:
    return Principal(
        user_id=UUID(message.user_id),
        username=message.username,
        scopes=frozenset(message.scopes),
        session_id=UUID(message.session_id),
        expires_at=datetime.fromtimestamp(message.expires_at, UTC),
    )


def _unavailable(error: grpc.aio.AioRpcError) -> IdentityUnavailable:
    _log.warning("auth unavailable", status=error.code().name, reason=error.details())
    return IdentityUnavailable()
