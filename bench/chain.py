"""Rows 2 and 3: the timeline through router and edge, and the cost of authorization at the edge."""

from string import Template
from typing import Any
from uuid import UUID

from bench.load import Target
from bench.rounds import Effort, Ratio, measure, rows
from bench.seed import fill
from bench.testbed import Running, Testbed
from bench.timeline import BODY, ask, identity
from client.api import sign_up
from stack.ports import free_ports

_TYPE = "type.googleapis.com/envoy.extensions.filters"
_ENVOY = Template("""
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: $port}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": $type.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{match: {prefix: /}, $action}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": $type.http.router.v3.Router}
  clusters:
  - name: behind
    type: STATIC
    load_assignment:
      cluster_name: behind
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $behind}}}
""")


def chain(testbed: Testbed, effort: Effort) -> dict[str, Any]:
    """Measure row 2. Requests reach a router through the edge, or with the headers that it sets."""
    auth = testbed.service("auth")
    reader = sign_up(testbed.client(auth))
    reader_id = UUID(reader.id)
    fill(testbed.superuser_url, reader_id, effort.tweets[0])
    tweets = testbed.service("tweets")
    testbed.service("notifier")
    gateway, router = testbed.node_gateway(), testbed.router()
    inside = identity(testbed, reader_id)
    targets = {"tweets alone": _graphql(tweets, inside)}
    for name, running in (("Apollo Router", router), ("Apollo's Node gateway", gateway)):
        if running is not None:
            edge = testbed.edge(f"edge before {running.name}", running.url)
            targets[name] = _graphql(running, inside)
            targets[f"edge and {name}, signed in"] = _graphql(edge, reader.headers)
    answers = {name: ask(target) for name, target in targets.items()}
    for name, answer in answers.items():
        assert answer == answers["tweets alone"], f"{name} returns other data"
    found = measure(targets, effort)
    rate = {name: figure.rate for name, figure in found.items()}
    ratios = [
        Ratio(f"{name} to tweets alone", rate[name] / rate["tweets alone"]) for name in [*rate][1:]
    ]
    if router is not None:
        ratios.append(
            Ratio(
                "Apollo Router to the Node gateway",
                rate["Apollo Router"] / rate["Apollo's Node gateway"],
            )
        )
    return {"title": "The timeline through the chain", "figures": rows(found), "ratios": ratios}


def authorisation(testbed: Testbed, effort: Effort) -> dict[str, Any]:
    """Measure row 3. An Envoy that gives a constant answer is behind the edge."""
    auth = testbed.service("auth")
    user = sign_up(testbed.client(auth))
    behind, front = map(str, free_ports(2))
    fixed = "direct_response: {status: 200, body: {inline_string: '{}'}}"
    stub = testbed.envoy("stub", _envoy(behind, fixed, behind), behind)
    bare = testbed.envoy("bare", _envoy(front, "route: {cluster: behind}", behind), front)
    edge = testbed.edge("edge", stub.url)
    authorize = Target(f"{auth.url}/authorize", None, user.headers, auth.process.pid)
    targets = {
        "Envoy, a bare proxy": _graphql(bare, {}),
        "the edge, signed in": _graphql(edge, user.headers),
        "the edge, anonymous": _graphql(edge, {}),
        "/authorize alone, a known token": authorize,
    }
    ask(targets["the edge, signed in"])
    found = measure(targets, effort)
    bare_rate = found["Envoy, a bare proxy"].rate
    return {
        "title": "The cost of authorization at the edge",
        "figures": rows(found),
        "ratios": [
            Ratio(
                "edge, signed in, to a bare proxy",
                found["the edge, signed in"].rate / bare_rate,
                "≥ 0.5",
            ),
            Ratio(
                "edge, anonymous, to a bare proxy",
                found["the edge, anonymous"].rate / bare_rate,
            ),
        ],
    }


def _envoy(port: str, action: str, behind: str) -> str:
    return _ENVOY.substitute(type=_TYPE, port=port, action=action, behind=behind)


def _graphql(running: Running, headers: dict[str, str]) -> Target:
    return Target(f"{running.url}/graphql", BODY, headers, running.process.pid)
