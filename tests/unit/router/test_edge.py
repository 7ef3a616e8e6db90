"""The edge's configuration, rendered from the environment."""

import re
from dataclasses import replace
from typing import Any

import pytest
import yaml

from chassis.topology import Kind, Topology, declared, parse
from router.edge import LOCAL_ORIGINS, render

SETTINGS = {"ROUTER_SECRET": "s" * 32, "ENVIRONMENT": "development"} | {
    f"{name}_{part}": value
    for name in ("EDGE", "ROUTER", *(name.upper() for name in declared().services))
    for part, value in (("HOST", "127.0.0.1"), ("PORT", "4000"))
}


def http(settings: dict[str, str], topology: Topology | None = None) -> dict[str, Any]:
    """Return what is configured of all requests: Envoy's HTTP connection manager."""
    rendered = yaml.safe_load(render(SETTINGS | settings, topology))
    filters = rendered["static_resources"]["listeners"][0]["filter_chains"][0]["filters"]
    manager: dict[str, Any] = filters[0]["typed_config"]
    return manager


def cors(**settings: str) -> dict[str, Any]:
    hosts = http(settings)["route_config"]["virtual_hosts"]
    policy: dict[str, Any] = hosts[0]["typed_per_filter_config"]["envoy.filters.http.cors"]
    return policy


def origins(**settings: str) -> object:
    return cors(**settings)["allow_origin_string_match"]


def headers(**settings: str) -> list[str]:
    listed: str = cors(**settings)["allow_headers"]
    return listed.split(", ")


class TestRender:
    def test_addresses_come_from_the_environment(self) -> None:
        text = render(SETTINGS | {"AUTH_HOST": "auth.internal", "AUTH_PORT": "8080"})
        assert '{"address": "auth.internal", "port_value": 8080}' in text

    def test_rendered_file_does_not_contain_the_secret(self) -> None:
        assert SETTINGS["ROUTER_SECRET"] not in render(SETTINGS)

    def test_missing_secret_is_refused(self) -> None:
        with pytest.raises(ValueError, match="ROUTER_SECRET"):
            render({"ENVIRONMENT": "development"})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("EDGE_PORT", "http"),
            ("EDGE_PORT", "65536"),
            ("EDGE_TRUSTED_HOPS", "-1"),
            ("AUTH_HOST", 'a", port_value: 1}}, x: {y: "'),
            ("EDGE_ALLOWED_ORIGINS", "www.example.com"),
            ("EDGE_ALLOWED_HEADERS", "*"),
            ("EDGE_ALLOWED_HEADERS", "x-tenant, x_tenant"),
            ("EDGE_ALLOWED_HEADERS", "x-tenant: a"),
            ("EDGE_ALLOWED_HEADERS", "X-Auth-User-Id"),
            ("EDGE_ALLOWED_HEADERS", "x-client-address"),
            ("TRACING_ENDPOINT", "https://collector:4318"),
            ("TRACING_ENDPOINT", "http://collector:x"),
            ("TRACING_ENDPOINT", 'http://a"}'),
            ("AUTH_ENDPOINTS", "auth"),
            ("AUTH_ENDPOINTS", "auth:4102,"),
            ("AUTH_ENDPOINTS", 'a":4102'),
            ("AUTH_ENDPOINTS", "auth:70000"),
        ],
    )
    def test_invalid_setting_is_named(self, name: str, value: str) -> None:
        with pytest.raises(ValueError, match=name):
            render(SETTINGS | {name: value})


def routes(topology: Topology | None = None) -> list[dict[str, Any]]:
    manager = http({"LIKES_HOST": "127.0.0.1", "LIKES_PORT": "4000"}, topology)
    found: list[dict[str, Any]] = manager["route_config"]["virtual_hosts"][0]["routes"]
    return found


class TestBrowser:
    def test_link_leads_to_the_page(self) -> None:
        [redirect] = [route["redirect"] for route in routes() if "redirect" in route]
        assert redirect == {"path_redirect": "/", "response_code": "FOUND"}

    def test_without_a_page_there_is_no_redirect(self) -> None:
        services = {n: s for n, s in declared().services.items() if s.kind is not Kind.PAGE}
        assert not [r for r in routes(replace(declared(), services=services)) if "redirect" in r]


def access_log(**settings: str) -> dict[str, str]:
    [log] = http(settings)["access_log"]
    found: dict[str, str] = log["typed_config"]["log_format"]["json_format"]
    return found


class TestAccessLog:
    def test_operation_and_outcome_are_logged(self) -> None:
        assert access_log()["operation"] == "%DYNAMIC_METADATA(edge:operation)%"
        assert access_log()["outcome"] == "%DYNAMIC_METADATA(edge:outcome)%"

    def test_username_is_logged_in_development_only(self) -> None:
        assert "username" in access_log()
        assert "username" not in access_log(ENVIRONMENT="production")


STREAMING = """
[project]
name = "chirp"
title = "Chirp"
[services.auth]
module = "subgraphs.auth"
kind = "subgraph"
port = 4101
[services.tweets]
module = "subgraphs.tweets"
kind = "subgraph"
port = 4102
subscriptions = true
[services.likes]
module = "subgraphs.likes"
kind = "subgraph"
port = 4105
subscriptions = true
"""


def _path(match: dict[str, Any]) -> str:
    return str(match.get("path") or match.get("safe_regex", {}).get("regex"))


def streams_of(declaration: str) -> set[tuple[str, str]]:
    """Return the path, or its pattern, and the cluster of each route to subscriptions."""
    return {
        (_path(route["match"]), route["route"]["cluster"])
        for route in routes(parse(declaration))
        if route.get("route", {}).get("prefix_rewrite") == "/graphql/stream"
    }


class TestStreams:
    def test_each_service_with_subscriptions_has_a_path(self) -> None:
        assert streams_of(STREAMING) == {
            ("/graphql/?", "tweets"),
            ("/graphql/stream/tweets", "tweets"),
            ("/graphql/stream/likes", "likes"),
        }

    def test_first_declared_service_serves_the_path_of_queries_too(self) -> None:
        head, tweets, likes = re.split(r"(?=\[services\.(?:tweets|likes)\])", STREAMING)
        assert ("/graphql/?", "likes") in streams_of(head + likes + tweets)

    def test_path_of_a_service_takes_sockets_posts_and_preflights_only(self) -> None:
        all_routes = routes(parse(STREAMING))
        found = [r for r in all_routes if _path(r["match"]) == "/graphql/stream/likes"]
        unpacked, socket, post, preflight, other = found
        assert unpacked["direct_response"] == {"status": 415}
        assert socket["route"]["upgrade_configs"] == [{"upgrade_type": "websocket"}]
        assert post["match"]["headers"] == [{"name": ":method", "string_match": {"exact": "POST"}}]
        assert preflight["match"]["headers"][0]["string_match"] == {"exact": "OPTIONS"}
        assert other["direct_response"] == {"status": 405}

    def test_identity_is_verified_on_the_path_of_a_service(self) -> None:
        for route in routes(parse(STREAMING)):
            if "/graphql/stream/" in str(route["match"].get("path")) and "route" in route:
                filters = route.get("typed_per_filter_config", {})
                assert "envoy.filters.http.ext_authz" not in filters

    def test_path_of_a_service_serves_subscriptions_as_the_path_of_queries_does(self) -> None:
        """Proof, headers, log, time limits and retries are the same."""
        served: dict[str, list[Any]] = {"/graphql/?": [], "/graphql/stream/likes": []}
        for route in routes(parse(STREAMING)):
            path, target = _path(route["match"]), route.get("route", {})
            if path in served and target.get("prefix_rewrite") == "/graphql/stream":
                same = {**route, "route": {**target, "cluster": ""}, "match": ""}
                if same not in served[path]:  # multipart and event streams have one
                    served[path].append(same)
        assert len(served["/graphql/?"]) == 2
        assert served["/graphql/stream/likes"] == served["/graphql/?"]

    def test_subscriptions_are_named_in_the_log(self) -> None:
        for route in routes(parse(STREAMING)):
            if route.get("route", {}).get("prefix_rewrite") == "/graphql/stream":
                added = {
                    each["header"]["key"]: each["header"]["value"]
                    for each in route["response_headers_to_add"]
                }
                assert added["x-router-operation"] == "subscription", route["match"]

    def test_identity_headers_of_a_client_are_removed_on_every_path(self) -> None:
        manager = http({"LIKES_HOST": "127.0.0.1", "LIKES_PORT": "4000"}, parse(STREAMING))
        removal = manager["http_filters"][0]
        mutations = removal["typed_config"]["mutations"]["request_mutations"]
        prefixes = {each["remove_on_match"]["key_matcher"].get("prefix") for each in mutations}
        assert {"x-auth-", "x-router-"} <= prefixes
        [host] = manager["route_config"]["virtual_hosts"]
        for each in (host, *host["routes"]):
            assert removal["name"] not in each.get("typed_per_filter_config", {})

    def test_system_without_subscriptions_has_no_such_path(self) -> None:
        declaration = STREAMING.replace("subscriptions = true", "")
        assert streams_of(declaration) == {("/graphql/?", "router")}


def tracing(**settings: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = http(settings)["tracing"]
    return found


class TestTracing:
    def test_tracing_is_off_without_a_collector(self) -> None:
        assert tracing() is None

    def test_endpoint_and_percentage_are_configured(self) -> None:
        settings = {"TRACING_ENDPOINT": "http://collector:4319", "TRACING_PERCENT": "5"}
        configured = tracing(**settings)
        assert configured
        assert configured["random_sampling"] == {"value": 5}
        exporter = configured["provider"]["typed_config"]["http_service"]["http_uri"]
        assert exporter["uri"] == "http://collector:4319/v1/traces"
        assert '{address: "collector", port_value: 4319}' in render(SETTINGS | settings)

    def test_responses_name_their_trace_while_tracing_is_on(self) -> None:
        def headers(**settings: str) -> list[str]:
            [host] = http(settings)["route_config"]["virtual_hosts"]
            return [added["header"]["key"] for added in host["response_headers_to_add"]]

        assert "traceresponse" not in headers()
        assert "traceresponse" in headers(TRACING_ENDPOINT="http://collector:4318")

    def test_percentage_above_100_is_refused(self) -> None:
        with pytest.raises(ValueError, match="TRACING_PERCENT"):
            tracing(TRACING_ENDPOINT="http://collector", TRACING_PERCENT="101")


def endpoints(**settings: str) -> list[tuple[str, int]]:
    rendered = yaml.safe_load(render(SETTINGS | settings))
    [auth] = [c for c in rendered["static_resources"]["clusters"] if c["name"] == "auth"]
    [locality] = auth["load_assignment"]["endpoints"]
    addresses = [e["endpoint"]["address"]["socket_address"] for e in locality["lb_endpoints"]]
    return [(address["address"], address["port_value"]) for address in addresses]


class TestEndpoints:
    def test_host_and_port_are_the_default(self) -> None:
        assert endpoints(AUTH_HOST="auth", AUTH_PORT="80") == [("auth", 80)]

    def test_several_endpoints_are_listed(self) -> None:
        listed = "127.0.0.1:4102, auth.internal:4112,[::1]:4122"
        assert endpoints(AUTH_ENDPOINTS=listed) == [
            ("127.0.0.1", 4102),
            ("auth.internal", 4112),
            ("::1", 4122),
        ]


class TestAllowedOrigins:
    def test_production_allows_no_origin_by_default(self) -> None:
        assert origins(ENVIRONMENT="production") == []

    def test_only_listed_origins_are_allowed(self) -> None:
        listed = origins(EDGE_ALLOWED_ORIGINS="https://a.example, https://b.example/")
        assert listed == [{"exact": "https://a.example"}, {"exact": "https://b.example"}]

    @pytest.mark.parametrize(
        ("origin", "allowed"),
        [
            ("http://localhost:5173", True),
            ("https://127.0.0.1", True),
            ("http://[::1]:3000", True),
            ("http://localhost.evil.example", False),
            ("http://127x0.0.1", False),
            ("http://localhost:80@evil.example", False),
        ],
    )
    def test_development_allows_every_port_of_this_machine(
        self, origin: str, allowed: bool
    ) -> None:
        assert origins() == [{"safe_regex": {"regex": LOCAL_ORIGINS}}]
        assert bool(re.fullmatch(LOCAL_ORIGINS, origin)) is allowed


class TestAllowedHeaders:
    def test_headers_of_graphql_clients_and_tracing_are_built_in(self) -> None:
        expected = {"authorization", "content-type", "baggage", "sentry-trace", "traceparent"}
        assert expected <= set(headers())

    def test_listed_headers_are_added_once(self) -> None:
        listed = headers(EDGE_ALLOWED_HEADERS="X-Tenant, accept,, x-tenant")
        assert listed == [*headers(), "x-tenant"]
