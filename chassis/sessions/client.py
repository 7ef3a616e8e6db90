"""Asks auth whose token somebody brings, and which sessions have ended: over gRPC."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import grpc
import structlog

from chassis.errors import ClientError, SessionEnded, TokenExpired, Unauthenticated
from chassis.principal import Principal
from chassis.sessions import sessions_pb2 as pb

if TYPE_CHECKING:
    from grpc.aio import UnaryUnaryMultiCallable

_VERIFY_WITHIN = 3.0  # seconds, all attempts together
_CHECK_WITHIN = 0.5  # seconds: what looking may take (docs/adr/0006)
AT_ONCE = 1000  # sessions that auth lets one call ask about
_LONGEST_TOKEN = 8192
_INVALID = "The access token is not valid."
_OPTIONS = [
    (
        "grpc.service_config",
        json.dumps(
            {
                "loadBalancingConfig": [{"round_robin": {}}],
                "healthCheckConfig": {"serviceName": "auth.v1.Sessions"},
                "methodConfig": [
                    {
                        "name": [{"service": "auth.v1.Sessions"}],
                        "retryPolicy": {
                            "maxAttempts": 4,
                            "initialBackoff": "0.05s",
                            "maxBackoff": "0.5s",
                            "backoffMultiplier": 3,
                            "retryableStatusCodes": ["UNAVAILABLE"],
                        },
                    }
                ],
            }
        ),
    ),
    ("grpc.enable_http_proxy", 0),  # auth is inside
    # When the last known pod goes, its successor has to be looked up now, not within 30 s.
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Auth may vanish without a word: its host, or the network between.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
]

_log = structlog.get_logger("chassis.sessions")


class IdentityUnavailable(ClientError):  # noqa: N818
    """Auth cannot be asked at the moment."""

    code = "SERVICE_UNAVAILABLE"
    default = "We cannot verify your identity right now. Try again shortly."


class Sessions(Protocol):
    """What auth knows of tokens and sessions.

    Raises IdentityUnavailable when it cannot be asked.
    """

    async def verify(self, token: str) -> Principal:
        """Raises Unauthenticated, TokenExpired or SessionEnded."""

    async def ended(self, session_ids: Collection[str]) -> Collection[str]:
        """Those of the sessions that have ended while tokens of theirs may be about."""


class GrpcSessions:
    """A client of `auth.v1.Sessions`. It connects when it is first asked, and again by itself."""

    def __init__(self, target: str) -> None:
        """`target`: host:port, or whatever else gRPC resolves."""
        self._target = target
        self._verify: UnaryUnaryMultiCallable[pb.VerifyTokenRequest, pb.VerifyTokenResponse]
        self._check: UnaryUnaryMultiCallable[pb.CheckSessionsRequest, pb.CheckSessionsResponse]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """It can be asked inside the block."""
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
        if len(token) > _LONGEST_TOKEN:
            raise Unauthenticated(_INVALID)
        try:
            answer = await self._verify(pb.VerifyTokenRequest(token=token), timeout=_VERIFY_WITHIN)
        except grpc.aio.AioRpcError as error:
            raise _unavailable(error) from error
        if answer.WhichOneof("outcome") == "principal":
            return _principal(answer.principal)
        if answer.refusal == pb.REFUSAL_EXPIRED:
            raise TokenExpired
        if answer.refusal == pb.REFUSAL_SESSION_ENDED:
            raise SessionEnded
        raise Unauthenticated(_INVALID)

    async def ended(self, session_ids: Collection[str]) -> Collection[str]:
        asked = list(session_ids)
        try:
            answers = await asyncio.gather(
                *(self._ended(asked[at : at + AT_ONCE]) for at in range(0, len(asked), AT_ONCE))
            )
        except grpc.aio.AioRpcError as error:
            raise _unavailable(error) from error
        return [session_id for answer in answers for session_id in answer.ended_session_ids]

    async def has_ended(self, session_id: str) -> bool:
        """Return whether one session has ended. Raises IdentityUnavailable."""
        return session_id in await self.ended([session_id])

    async def _ended(self, session_ids: list[str]) -> pb.CheckSessionsResponse:
        request = pb.CheckSessionsRequest(session_ids=session_ids)
        return await self._check(request, timeout=_CHECK_WITHIN)


def _principal(told: pb.Principal) -> Principal:
    return Principal(
        user_id=UUID(told.user_id),
        username=told.username,
        scopes=frozenset(told.scopes),
        session_id=UUID(told.session_id),
        expires_at=datetime.fromtimestamp(told.expires_at, UTC),
    )


def _unavailable(error: grpc.aio.AioRpcError) -> IdentityUnavailable:
    _log.warning("auth cannot be asked", status=error.code().name, reason=error.details())
    return IdentityUnavailable()
