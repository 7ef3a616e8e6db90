"""The gRPC server beside the HTTP one: limits, the standard health service, a gentle end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from chassis.background import running
from chassis.shutdown import Shutdown

_LARGEST_MESSAGE = 64 * 1024  # bytes: a thousand ids and some room
_GRACE = 2.0  # seconds for calls that are under way at the end
_CHECK = 1.0  # seconds between looks at whether the process can answer
OPTIONS = [
    ("grpc.so_reuseport", 0),  # or a second process takes half the calls unnoticed
    ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
    ("grpc.max_send_message_length", _LARGEST_MESSAGE),
    # A client looks its servers up again whenever a connection ends. So it finds a new pod, and
    # leaves an old one before that stops (deploy/kubernetes/base/deployments.yaml: 35 s).
    ("grpc.max_connection_age_ms", 20_000),
    ("grpc.max_connection_age_grace_ms", 10_000),  # longer than any call may take
    # Clients that keep an idle connection alive are welcome.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
]
_log = structlog.get_logger("auth.rpc")


def address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@asynccontextmanager
async def serving(
    handler: grpc.GenericRpcHandler,
    *,
    services: Sequence[str],
    address: str,
    can_answer: Callable[[], Awaitable[bool]],
    shutdown: Shutdown,
    reflected: bool,
) -> AsyncIterator[None]:
    """Serves while the block runs. Raises OSError when the address cannot be had.

    The health service says SERVING, for the process and each of its services, while `can_answer`
    and no shutdown has been announced. `reflected`: clients may ask what services there are.
    """
    server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=1000)
    server.add_generic_rpc_handlers((handler,))
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if reflected:
        names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"gRPC cannot listen on {address}") from error
    told = _keep_telling(servicer, ("", *services), can_answer, shutdown)
    await server.start()
    try:
        async with running(told):
            yield
    finally:
        await server.stop(_GRACE)


async def _keep_telling(
    servicer: health.aio.HealthServicer,
    services: Sequence[str],
    can_answer: Callable[[], Awaitable[bool]],
    shutdown: Shutdown,
) -> None:
    before: bool | None = None
    while not shutdown.is_announced:
        healthy = await can_answer()
        if healthy is not before:
            _log.info("health", serving=healthy)
            status = health_pb2.HealthCheckResponse
            for service in services:
                await servicer.set(service, status.SERVING if healthy else status.NOT_SERVING)
            before = healthy
        with suppress(TimeoutError):
            await asyncio.wait_for(shutdown.announced(), _CHECK)
    await servicer.enter_graceful_shutdown()
