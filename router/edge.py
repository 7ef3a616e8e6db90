"""Fills the template `edge.yaml` from the environment and prints Envoy's configuration."""

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from router import accept

TEMPLATE = Path(__file__).with_name("edge.yaml")

DEFAULTS = {
    "EDGE_HOST": "127.0.0.1",
    "EDGE_PORT": "4000",
    "EDGE_TRUSTED_HOPS": "0",
    "ROUTER_HOST": "127.0.0.1",
    "ROUTER_PORT": "4100",
    "AUTH_HOST": "127.0.0.1",
    "AUTH_PORT": "4101",
    "TWEETS_HOST": "127.0.0.1",
    "TWEETS_PORT": "4102",
    "NOTIFIER_HOST": "127.0.0.1",
    "NOTIFIER_PORT": "4103",
    "EXPLORER_HOST": "127.0.0.1",
    "EXPLORER_PORT": "4104",
}

ALLOWED_HEADERS = (
    *("authorization", "content-type", "accept"),
    *("apollo-require-preflight", "x-apollo-operation-name"),
    *("apollographql-client-name", "apollographql-client-version"),
    *("traceparent", "tracestate", "baggage", "sentry-trace"),
)
"""Request headers that a page of an allowed origin may send; a setting adds others."""

LOCAL_ORIGINS = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?"


def render(environment: Mapping[str, str]) -> str:
    """Envoy's configuration. Raises ValueError for a setting that does not fit."""
    if not environment.get("ROUTER_SECRET"):
        raise ValueError("ROUTER_SECRET is not set; Envoy reads it when it starts")
    values = {name: environment.get(name) or default for name, default in DEFAULTS.items()}
    for name, value in values.items():
        if name.endswith(("_PORT", "_HOPS")) and not (value.isdecimal() and int(value) < 65536):
            raise ValueError(f"{name} is not a number from 0 to 65535: {value!r}")
        if name.endswith("_HOST") and not set(value) <= HOST_CHARACTERS:
            raise ValueError(f"{name} is not a host: {value!r}")
    values |= _tracing(environment)
    values["TWEETS_ENDPOINTS"] = json.dumps(
        _endpoints(
            environment.get("TWEETS_ENDPOINTS")
            or f"{values['TWEETS_HOST']}:{values['TWEETS_PORT']}"
        )
    )
    values["EDGE_ALLOWED_ORIGINS"] = json.dumps(_allowed_origins(environment))
    values["EDGE_ALLOWED_HEADERS"] = json.dumps(", ".join(_allowed_headers(environment)))
    values["ACCEPTS_MULTIPART_SUBSCRIPTION"] = json.dumps(accept.MULTIPART_SUBSCRIPTION)
    values["ACCEPTS_EVENT_STREAM"] = json.dumps(accept.EVENT_STREAM)
    values["ACCEPTS_JSON"] = json.dumps(accept.JSON)
    return Template(TEMPLATE.read_text()).substitute(values)


HOST_CHARACTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:")


def _endpoints(listed: str) -> list[dict[str, object]]:
    """Envoy's endpoints for `host:port,host:port`; a host may have several addresses."""
    endpoints: list[dict[str, object]] = []
    for endpoint in listed.split(","):
        host, _, port = endpoint.strip().rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not (host and set(host) <= HOST_CHARACTERS and port.isdecimal() and int(port) < 65536):
            raise ValueError(f"TWEETS_ENDPOINTS is no list like host:4102,host:4112: {listed!r}")
        address = {"socket_address": {"address": host, "port_value": int(port)}}
        endpoints.append({"endpoint": {"address": address}})
    return endpoints


def _tracing(environment: Mapping[str, str]) -> dict[str, str]:
    """Where spans go, and of how many requests in a hundred: TRACING_ENDPOINT, TRACING_PERCENT."""
    endpoint = environment.get("TRACING_ENDPOINT", "")
    if not endpoint:
        return {"EDGE_TRACING": "null", "COLLECTOR_HOST": "127.0.0.1", "COLLECTOR_PORT": "4318"}
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
    return {
        "EDGE_TRACING": json.dumps(tracing),
        "COLLECTOR_HOST": host,
        "COLLECTOR_PORT": str(port),
    }


def _allowed_origins(environment: Mapping[str, str]) -> list[dict[str, object]]:
    """Matchers for the origins in EDGE_ALLOWED_ORIGINS (commas between them).

    Unset, it means every port of this machine in development and no origin at all elsewhere.
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
    """The built-in request headers and those in EDGE_ALLOWED_HEADERS (commas between them)."""
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
    except ValueError as problem:
        sys.exit(f"edge: {problem}")
