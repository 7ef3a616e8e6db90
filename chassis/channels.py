"""The options of gRPC channels between services."""

import json
from collections.abc import Mapping


def channel_options(
    service: str, retry_policy: Mapping[str, object] | None = None
) -> list[tuple[str, object]]:
    """Return the options of a channel to `service`, like `auth.v1.Sessions`.

    Calls go in turn to every server that reports the service as healthy. `retry_policy` is that of
    https://github.com/grpc/proposal/blob/master/A6-client-retries.md.
    """
    method: dict[str, object] = {"name": [{"service": service}]}
    if retry_policy:
        method["retryPolicy"] = retry_policy
    config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": service},
        "methodConfig": [method],
    }
    return [
        ("grpc.service_config", json.dumps(config)),
        ("grpc.enable_http_proxy", 0),  # services are on the internal network
        # When the last known pod goes, its successor has to be looked up now, not within 30 s.
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        # The connection may die without a packet: the server's host, or the network, fails.
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_timeout_ms", 3_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
