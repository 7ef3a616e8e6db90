"""Renders Envoy's configuration from `edge.yaml`, the environment and `services.toml`."""

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from chassis.topology import Kind, Service, Topology, TopologyError, declared, stream_path
from router import accept

TEMPLATE = Path(__file__).with_name("edge.yaml")

ALLOWED_HEADERS = (
    *("authorization", "content-type", "accept"),
    *("apollo-require-preflight", "x-apollo-operation-name"),
    *("apollographql-client-name", "apollographql-client-version"),
    *("traceparent", "tracestate", "baggage", "sentry-trace"),
)
"""Request headers that a page of an allowed origin may send; EDGE_ALLOWED_HEADERS adds others."""

LOCAL_ORIGINS = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?"


HOST_CHARACTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:")

_USERNAME_IN_LOG = 'username: "%REQUEST_HEADER(X-AUTH-USERNAME)%"'
"""In development only, for a person who follows the requests."""

_HEALTH = (
    "{timeout: 2s, interval: 1s, no_traffic_interval: 1s, unhealthy_threshold: 2, "
    "healthy_threshold: 1, http_health_check: {path: /readyz}}"
)
# The anchors are those of the router's cluster in the template.
_CLUSTER = Template("""\
  - name: $name
    type: STRICT_DNS
    connect_timeout: 1s
    circuit_breakers: *breakers
    typed_extension_protocol_options: *upstream
    load_assignment:
      cluster_name: $name
      endpoints: [{lb_endpoints: $endpoints}]
    health_checks: [$health]
""")
_STREAMS_CLUSTER = Template("""\
  - name: $name  # for subscriptions; the router connects to the service itself
    type: STRICT_DNS
    connect_timeout: 1s
    lb_policy: LEAST_REQUEST
    # Each open subscription holds a connection, and buffers this much if its client does not read.
    circuit_breakers:
      thresholds:
      - {max_connections: 16384, max_pending_requests: 1024, max_requests: 16384, max_retries: 1024}
    per_connection_buffer_limit_bytes: 32768
    typed_extension_protocol_options: *upstream
    load_assignment:
      cluster_name: $name
      endpoints: [{lb_endpoints: $endpoints}]
    health_checks: [$health]
""")
_BROWSER_ROUTE = Template("""\
              # A link that a browser opened; a script sends apollo-require-preflight.
              - match:
                  safe_regex: *graphql
                  headers:
                  - {name: ":method", string_match: {exact: GET}}
                  - {name: accept, string_match: {safe_regex: {regex: $html}}}
                  - {name: apollo-require-preflight, present_match: true, invert_match: true}
                redirect: {path_redirect: /, response_code: FOUND}
                typed_per_filter_config: *anonymous
""")
_ROUTE = Template("""\
              - match: {$match}
                route: {cluster: $cluster, timeout: 10s}
                typed_per_filter_config: *anonymous
""")

# The anchors are those of /graphql in the template.
_STREAM_ROUTES = Template("""\
              - match: {path: $path, headers: [{name: content-encoding, present_match: true}]}
                direct_response: {status: 415}
                typed_per_filter_config: *anonymous
              - match: {path: $path, headers: [{name: ":method", string_match: {exact: GET}}, {name: upgrade, string_match: {exact: websocket, ignore_case: true}}]}
                route: {cluster: $cluster, prefix_rewrite: /graphql/stream, timeout: 0s, idle_timeout: 60s, upgrade_configs: [{upgrade_type: websocket}], retry_policy: *elsewhere}
                request_headers_to_add: *proof
                response_headers_to_add: *as_subscription
                typed_per_filter_config: *unbuffered
              - match: {path: $path, headers: [{name: ":method", string_match: {exact: POST}}]}
                route: {cluster: $cluster, prefix_rewrite: /graphql/stream, timeout: 0s, idle_timeout: 30s, retry_policy: *elsewhere}
                request_headers_to_add: *proof
                response_headers_to_add: *not_kept
              - match: {path: $path, headers: [{name: ":method", string_match: {exact: OPTIONS}}, {name: origin, present_match: true}, {name: access-control-request-method, present_match: true}]}
                route: {cluster: $cluster}
              - match: {path: $path}
                direct_response: {status: 405}
                response_headers_to_add: *get_and_post
                typed_per_filter_config: *anonymous
""")  # noqa: E501


def render(environment: Mapping[str, str], topology: Topology | None = None) -> str:
    """Return Envoy's configuration. Raises ValueError for a missing or wrong setting.

    `topology` is by default the one in `services.toml`.
    """
    topology = topology or declared()
    if not environment.get("ROUTER_SECRET"):
        raise ValueError("ROUTER_SECRET is not set; Envoy needs it at start")
    names = ("EDGE_HOST", "EDGE_PORT", "ROUTER_HOST", "ROUTER_PORT")
    values = {name: _required(environment, name) for name in names}
    values["EDGE_TRUSTED_HOPS"] = environment.get("EDGE_TRUSTED_HOPS") or "0"
    for name, value in values.items():
        if name.endswith(("_PORT", "_HOPS")) and not _is_port(value):
            raise ValueError(f"{name} is not a number from 0 to 65535: {value!r}")
        if name.endswith("_HOST") and not _is_host(value):
            raise ValueError(f"{name} is not a host: {value!r}")
    development = environment.get("ENVIRONMENT") == "development"
    values["USERNAME_IN_LOG"] = _USERNAME_IN_LOG if development else ""
    values |= _tracing(environment)
    values |= _services(environment, topology)
    values["EDGE_ALLOWED_ORIGINS"] = json.dumps(_allowed_origins(environment))
    values["EDGE_ALLOWED_HEADERS"] = json.dumps(", ".join(_allowed_headers(environment)))
    values["ACCEPTS_MULTIPART_SUBSCRIPTION"] = json.dumps(accept.MULTIPART_SUBSCRIPTION)
    values["ACCEPTS_EVENT_STREAM"] = json.dumps(accept.EVENT_STREAM)
    values["ACCEPTS_JSON"] = json.dumps(accept.JSON)
    return Template(TEMPLATE.read_text()).substitute(values)


def _required(environment: Mapping[str, str], name: str) -> str:
    if value := environment.get(name):
        return value
    raise ValueError(f"{name} is not set; `make up` writes the settings of this machine to .env")


def _is_host(value: str) -> bool:
    return bool(value) and set(value) <= HOST_CHARACTERS


def _is_port(value: str) -> bool:
    return value.isascii() and value.isdecimal() and int(value) < 65536


def _services(environment: Mapping[str, str], topology: Topology) -> dict[str, str]:
    """Return the values of the template that depend on the services."""
    services = topology.services.values()
    streaming = [s.name for s in services if s.subscriptions]
    page = next((s.name for s in services if s.kind is Kind.PAGE), "")
    clusters = [
        (_STREAMS_CLUSTER if s.subscriptions else _CLUSTER).substitute(
            name=s.name, endpoints=json.dumps(_endpoints(environment, s)), health=_HEALTH
        )
        for s in services
    ]
    routes = [
        _ROUTE.substitute(match=_path_match(path), cluster=s.name)
        for s in services
        for path in s.public_paths
    ]
    healthy = ["router", *(s.name for s in topology.subgraphs)]
    return {
        "SERVICE_CLUSTERS": "".join(clusters).rstrip(),
        "PUBLIC_ROUTES": "".join(routes).rstrip(),
        "BROWSER_ROUTE": _BROWSER_ROUTE.substitute(html=json.dumps(accept.HTML)).rstrip()
        if page
        else "",
        "PAGE_ROUTE": _ROUTE.substitute(match="prefix: /", cluster=page).rstrip() if page else "",
        # The first one serves the subscriptions of /graphql too.
        "STREAMS_CLUSTER": streaming[0] if streaming else "router",
        "STREAM_ROUTES": "".join(
            _STREAM_ROUTES.substitute(path=json.dumps(stream_path(name)), cluster=name)
            for name in streaming
        ).rstrip(),
        "HEALTHY": json.dumps({name: {"value": 1} for name in healthy}),
    }


def _path_match(path: str) -> str:
    if path.endswith("/"):
        return f"path_separated_prefix: {json.dumps(path.rstrip('/'))}"
    return f"path: {json.dumps(path)}"


def _endpoints(environment: Mapping[str, str], service: Service) -> list[dict[str, object]]:
    """Return Envoy's endpoints of a service, from its settings.

    `<SERVICE>_ENDPOINTS` (host:port,host:port) overrides `<SERVICE>_HOST` and `<SERVICE>_PORT`.
    A host may have several addresses.
    """
    name = f"{service.prefix}ENDPOINTS"
    listed = environment.get(name)
    if not listed:
        host, port = (
            _required(environment, f"{service.prefix}{part}") for part in ("HOST", "PORT")
        )
        if not _is_host(host):
            raise ValueError(f"{service.prefix}HOST is not a host: {host!r}")
        if not _is_port(port):
            raise ValueError(f"{service.prefix}PORT is not a number from 0 to 65535: {port!r}")
        return [_endpoint(host, port)]
    endpoints = []
    for endpoint in listed.split(","):
        host, _, port = endpoint.strip().rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not (_is_host(host) and _is_port(port)):
            raise ValueError(f"{name} is not a list like host:4102,host:4112: {listed!r}")
        endpoints.append(_endpoint(host, port))
    return endpoints


def _endpoint(host: str, port: str) -> dict[str, object]:
    return {"endpoint": {"address": {"socket_address": {"address": host, "port_value": int(port)}}}}


def _tracing(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the template's values for TRACING_ENDPOINT and TRACING_PERCENT."""
    endpoint = environment.get("TRACING_ENDPOINT", "")
    if not endpoint:
        return {
            "EDGE_TRACING": "null",
            "TRACE_RESPONSE": "",
            "COLLECTOR_HOST": "127.0.0.1",
            "COLLECTOR_PORT": "4318",
        }
    try:
        url = urlsplit(endpoint)
        host, port = url.hostname or "", url.port or 4318
    except ValueError as error:
        raise ValueError(f"TRACING_ENDPOINT: {error}") from None
    if url.scheme != "http" or not host or not set(host) <= HOST_CHARACTERS:
        raise ValueError(f"TRACING_ENDPOINT is not of the form http://host:port: {endpoint!r}")
    percent = environment.get("TRACING_PERCENT") or "100"
    if not percent.isdecimal() or int(percent) > 100:
        raise ValueError(f"TRACING_PERCENT is not a number from 0 to 100: {percent!r}")
    collector = {
        "uri": f"http://{host}:{port}/v1/traces",
        "cluster": "collector",
        "timeout": "2s",
    }
    tracing = {
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
                "http_service": {"http_uri": collector},
                "service_name": "edge",
            },
        },
        "random_sampling": {"value": int(percent)},
        "spawn_upstream_span": True,
        "max_path_tag_length": len("/graphql"),
    }
    header = {"key": "traceresponse", "value": "%REQUEST_HEADER(TRACEPARENT)%"}
    response = {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {
        "EDGE_TRACING": json.dumps(tracing),
        "TRACE_RESPONSE": f"- {json.dumps(response)}",
        "COLLECTOR_HOST": host,
        "COLLECTOR_PORT": str(port),
    }


def _allowed_origins(environment: Mapping[str, str]) -> list[dict[str, object]]:
    """Return matchers for the origins in EDGE_ALLOWED_ORIGINS (comma-separated).

    Unset, it allows every port of this machine in development, and no origin elsewhere.
    """
    listed = environment.get("EDGE_ALLOWED_ORIGINS", "")
    origins = [origin.strip().rstrip("/") for origin in listed.split(",") if origin.strip()]
    for origin in origins:
        if "://" not in origin:
            raise ValueError(f"EDGE_ALLOWED_ORIGINS holds no origin like https://a.b: {origin!r}")
    if not origins and environment.get("ENVIRONMENT") == "development":
        return [{"safe_regex": {"regex": LOCAL_ORIGINS}}]
    return [{"exact": origin} for origin in origins]


def _allowed_headers(environment: Mapping[str, str]) -> list[str]:
    """Return the built-in request headers and those in EDGE_ALLOWED_HEADERS (comma-separated)."""
    listed = environment.get("EDGE_ALLOWED_HEADERS", "")
    added = [name.strip().lower() for name in listed.split(",") if name.strip()]
    for name in added:
        # The edge refuses an underscore in any name; `*` would not cover `authorization`.
        if not re.fullmatch("[a-z0-9-]+", name):
            raise ValueError(
                f"EDGE_ALLOWED_HEADERS holds {name!r}; a name has letters, digits and hyphens"
            )
        if re.match("x-(auth|router|envoy)-|x-client-address$", name):
            raise ValueError(
                f"EDGE_ALLOWED_HEADERS holds {name!r}, which the edge removes from every request"
            )
    return list(dict.fromkeys([*ALLOWED_HEADERS, *added]))


if __name__ == "__main__":
    try:
        sys.stdout.write(render(os.environ))
    except (ValueError, TopologyError) as problem:
        sys.exit(f"edge: {problem}")
