"""The reference of limits, from the values that the code and the configuration have."""

import re
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import yaml

from chassis.graphql import limits as operations
from chassis.topology import ROOT, Topology
from deploy.reference.markdown import code, page, table
from deploy.reference.sources import field_docs
from graphql_streams import Limits as StreamLimits
from subgraphs.auth.limits import Limits as Attempts

_STREAMS = ROOT / "packages/graphql-streams/src/graphql_streams/connections.py"


def text(topology: Topology) -> str:
    """Return the page."""
    streams = "## Subscriptions\n\nOf one process that serves subscriptions.\n\n"
    return page(
        "the classes `Limits`, router/router.yaml, router/limits.rhai and router/edge.yaml",
        "Limits",
        "The values that a running system has by default. "
        "[Why they are what they are](../adr/0017-what-one-request-may-cost.md); "
        "[what a client sees beyond them](../../router/README.md#limits-of-one-request).",
        "## One fetch\n\nOf the operation that one subgraph gets from the router, and of a "
        "subscription.\n\n" + _fields(ROOT / "chassis/graphql/limits.py", operations.Limits),
        "## One request\n\nAt the edge and the router, over all fetches.\n\n" + _request(),
        streams + _fields(_STREAMS, StreamLimits)
        if any(service.subscriptions for service in topology.services.values())
        else "",
        "## Attempts\n\nIn each `period`; see [auth](../../subgraphs/auth/README.md#attempts).\n\n"
        + _fields(ROOT / "subgraphs/auth/limits.py", Attempts),
    )


def _fields(path: Path, limits: type[operations.Limits | StreamLimits | Attempts]) -> str:
    docs = field_docs(path, "Limits")
    rows = [[code(f.name), _value(f.default), docs[f.name]] for f in fields(limits)]
    return table(["limit", "default", ""], rows)


def _value(value: object) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():,.0f} seconds"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _request() -> str:
    router = yaml.safe_load((ROOT / "router/router.yaml").read_text())
    limits, shaping = router["limits"]["router"], router["traffic_shaping"]
    rows = [
        ["bytes of the body", f"{_edge_body():,}", "the edge"],
        ["tokens of the document", f"{limits['parser_max_tokens']:,}", "the router"],
        ["nested brackets of the document", str(limits["parser_max_recursion"]), "the router"],
        [
            "selections, with fragments expanded",
            f"{limits['max_recursive_selections']:,}",
            "the router",
        ],
        ["fetches from subgraphs", str(_fetches()), "the router, before anything runs"],
        ["requests at once", f"{shaping['router']['concurrency_limit']:,}", "each router"],
        ["time for a request", shaping["router"]["timeout"], "the router"],
        ["time for one fetch", shaping["all"]["timeout"], "the router"],
    ]
    return table(["limit", "default", "checked by"], rows)


def _edge_body() -> int:
    (found,) = re.findall(r" max_request_bytes: (\d+)  #", (ROOT / "router/edge.yaml").read_text())
    return int(found)


def _fetches() -> int:
    (found,) = re.findall(r"let allowed = (\d+);", (ROOT / "router/limits.rhai").read_text())
    return int(found)
