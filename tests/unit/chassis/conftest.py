"""Fixtures of subscriptions that leave their subgraph."""

import pytest

from chassis.graphql import completion
from tests.unit.chassis.federated import FakeRouter


@pytest.fixture
def router() -> FakeRouter:
    return FakeRouter()


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat completions without a pause."""
    monkeypatch.setattr(completion, "_WAITS", (0, 0))
