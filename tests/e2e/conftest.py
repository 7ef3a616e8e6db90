"""Fixtures of several modules: real clients of the API, and a collector of traces."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from stack.ports import free_ports
from tests.e2e.collector import Collector, collecting
from tests.e2e.subscribers import KINDS, Subscribe, Subscriber, subscriber
from tests.stack import RunningStack


@pytest.fixture
def subscribe(stack: RunningStack) -> Iterator[Subscribe]:
    """Return the function that starts a client, which ends with the test."""
    with ExitStack() as running:
        yield lambda kind: running.enter_context(subscriber(kind, f"{stack.url}/graphql"))


@pytest.fixture(params=KINDS)
def client(request: pytest.FixtureRequest, subscribe: Subscribe) -> Subscriber:
    return subscribe(request.param)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting(free_ports(1)[0]) as collector:
        yield collector
