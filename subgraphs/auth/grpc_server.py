"""Runs the gRPC server beside the HTTP one, with limits, the standard health service, a drain."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from chassis.background import running
from chassis.shutdown import Shutdown

_MAX_MESSAGE_SIZE = 64 * 1024  # bytes: a thousand ids and some room
_DRAIN = 2.0  # seconds for calls that are in flight at shutdown
_CHECK_EVERY = 1.0  # seconds between checks of the process's health
OPTIONS = [
    ("grpc.so_reuseport", 0),  # or a second process takes half the calls unnoticed
    ("grpc.max_receive_message_length", _MAX_MESSAGE_SIZE),
    ("grpc.max_send_message_length", _MAX_MESSAGE_SIZE),
    # A client resolves its servers again whenever a connection ends. So it finds a new pod, and
    # leaves an old one before that stops (deploy/kubernetes/base/deployments.yaml: 35 s).
    ("grpc.max_connection_age_ms", 20_000),
    ("grpc.max_connection_age_grace_ms", 10_000),  # longer than any call may take
    # Clients may keep an idle connection alive.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
]
_log = structlog.get_logger("auth.grpc")


def address(host: str, port: int) -> str:
    """Return host and port as gRPC writes them, an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@asynccontextmanager
async def serving(
    handlers: Mapping[str, grpc.GenericRpcHandler],
    *,
    address: str,
    can_answer: Callable[[], Awaitable[bool]],
    shutdown: Shutdown,
    reflected: bool,
) -> AsyncIterator[None]:
    """Serve while the block runs. Raises OSError when the address is in use.

    `handlers` are the services by name. The health service answers SERVING, for the process and
    each of them, while `can_answer` is true and no shutdown is announced. With `reflected`,
    clients may list the services.
    """
    server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=1000)
    server.add_generic_rpc_handlers(list(handlers.values()))
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if reflected:
        names = (*handlers, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"gRPC cannot listen on {address}") from error
    reporting = _report_health(servicer, ("", *handlers), can_answer, shutdown)
    await server.start()
    try:
        async with running(reporting):
            yield
    finally:
        await server.stop(_DRAIN)


async def _report_health(
    servicer: health.aio.HealthServicer,
    services: Sequence[str],
    can_answer: Callable[[], Awaitable[bool]],
    shutdown: Shutdown,
) -> None:
    """Set the status of the health service at each change, until the shutdown is announced."""
    reported: bool | None = None
    while not shutdown.is_announced:
        healthy = await can_answer()
        if healthy is not reported:
            _log.info("health changed", serving=healthy)
            status = health_pb2.HealthCheckResponse
            for service in services:
                await servicer.set(service, status.SERVING if healthy else status.NOT_SERVING)
            reported = healthy
        with suppress(TimeoutError):
            await asyncio.wait_for(shutdown.announced(), _CHECK_EVERY)
    await servicer.enter_graceful_shutdown()
