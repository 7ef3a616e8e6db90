"""Reads the settings of a service from environment variables, and reports all problems at once."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chassis.topology import FILE, TopologyError, declared


class SettingsError(Exception):
    """The environment is incomplete or invalid; the message lists every problem."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(["Invalid environment:", *problems]))


class Secret(str):
    """A string whose `repr` hides its value, so that printing an object with it is safe."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('…')"


class Stage(StrEnum):
    """Where the process runs. Only development relaxes checks."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class EnvironmentReader:
    """Typed access to environment variables; collects all problems."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.problems: list[str] = []

    def text(self, name: str, default: str | None = None) -> str:
        value = self._variables.get(name, "") or default
        if value is None:
            self.problems.append(f"{name} is missing")
            return ""
        return value

    def secret(self, name: str, *, at_least: int = 16) -> Secret:
        """Return a secret, which has no default and at least `at_least` characters."""
        value = self.text(name)
        if value and len(value) < at_least:
            self.problems.append(f"{name} must have at least {at_least} characters")
        return Secret(value)

    def integer(self, name: str, default: int | None = None, *, at_least: int = 0) -> int:
        """Return a whole number; a variable without `default` is required."""
        value = self.text(name, None if default is None else str(default))
        if value and (not value.isascii() or not value.isdigit() or int(value) < at_least):
            self.problems.append(f"{name} must be a whole number of at least {at_least}")
            value = ""
        return int(value or at_least)

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._variables.get(name, "").lower()
        if value in {"true", "false"}:
            return value == "true"
        if value:
            self.problems.append(f"{name} must be true or false")
        return default

    def stage(self) -> Stage:
        """Return the stage in `ENVIRONMENT`; the default is production, the safe one."""
        value = self.text("ENVIRONMENT", Stage.PRODUCTION)
        if value in set(Stage):
            return Stage(value)
        self.problems.append(f"ENVIRONMENT must be one of {', '.join(Stage)}")
        return Stage.PRODUCTION


@contextmanager
def read_environment(variables: Mapping[str, str] | None = None) -> Iterator[EnvironmentReader]:
    """Read settings inside the block. Raises SettingsError at its end if any setting is invalid."""
    reader = EnvironmentReader(os.environ if variables is None else variables)
    yield reader
    if reader.problems:
        raise SettingsError(reader.problems)


class _Declared(dict[str, str]):
    """Addresses by the name of a service. Raises TopologyError for an undeclared service."""

    def __init__(self, problem: str, addresses: Mapping[str, str]) -> None:
        """`problem` is the message; `{}` in it stands for the name."""
        super().__init__(addresses)
        self._problem = problem

    def __missing__(self, name: str) -> str:
        raise TopologyError(self._problem.format(name))


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """The settings that every service has; a service adds its own in a subclass."""

    stage: Stage
    host: str
    port: int
    database_url: Secret
    database_pool_size: int
    redis_url: Secret
    router_secret: Secret
    router_url: str
    """The address of the router's GraphQL, like http://router:4100/graphql; empty for a service
    without subscriptions."""
    introspection: bool
    event_groups: frozenset[str]
    """The consumer groups that must acknowledge an event of this service."""
    event_limit: int
    """The largest number of entries in the stream of its events."""
    owner_urls: Mapping[str, str]
    """The HTTP address, like http://auth:4101, of each service whose events it consumes."""
    grpc_addresses: Mapping[str, str]
    """The address, like auth:4111, of each service that it calls over gRPC."""
    shutdown_notice: int
    """Seconds between failing readiness and closing connections, in which load balancers notice."""
    tracing_endpoint: str
    """The address of the OTLP collector (HTTP). Empty: tracing is off."""

    @classmethod
    def common(cls, read: EnvironmentReader, name: str) -> dict[str, Any]:
        """Return these fields for the declared service `name`. Raises TopologyError."""
        topology = declared()
        service = topology[name]
        prefix = service.prefix
        stage = read.stage()
        return {
            "stage": stage,
            "host": read.text(f"{prefix}HOST"),
            "port": read.integer(f"{prefix}PORT", at_least=1),
            "database_url": read.secret(f"{prefix}DATABASE_URL"),
            "database_pool_size": read.integer(f"{prefix}DATABASE_POOL_SIZE", 10, at_least=4),
            "redis_url": Secret(read.text("REDIS_URL")),
            "router_secret": read.secret("ROUTER_SECRET", at_least=32),
            "router_url": read.text(service.router_setting) if service.subscriptions else "",
            "introspection": read.flag("GRAPHQL_INTROSPECTION", default=stage is Stage.DEVELOPMENT),
            "event_groups": topology.consumers_of(name),
            "event_limit": read.integer(f"{prefix}EVENT_LIMIT", 10_000, at_least=1),
            "owner_urls": _Declared(
                f'{FILE}: [services.{name}] lacks consumes = ["{{}}"]',
                {owner: read.text(service.owner_setting(owner)) for owner in service.consumes},
            ),
            "grpc_addresses": _Declared(
                f'{FILE}: [services.{name}] lacks calls = ["{{}}"]',
                {called: read.text(service.call_setting(called)) for called in service.calls},
            ),
            "tracing_endpoint": read.text("TRACING_ENDPOINT", ""),
            "shutdown_notice": read.integer("SHUTDOWN_NOTICE_SECONDS", 0),
        }
