"""Reads a service's settings from environment variables and reports every problem at once."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class SettingsError(Exception):
    """The environment does not hold what a service needs; the message lists all of it."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(["The environment is not complete:", *problems]))


class Secret(str):
    """A string that does not show itself when it is printed as part of something else."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('…')"


class Stage(StrEnum):
    """Where the process runs: only development is lenient."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class EnvironmentReader:
    """Typed access to environment variables; collects problems instead of stopping at the first."""

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
        """A secret has no default and at least `at_least` characters."""
        value = self.text(name)
        if value and len(value) < at_least:
            self.problems.append(f"{name} is shorter than {at_least} characters")
        return Secret(value)

    def integer(self, name: str, default: int, *, at_least: int = 0) -> int:
        value = self._variables.get(name, "")
        if not value:
            return default
        if not value.isascii() or not value.isdigit() or int(value) < at_least:
            self.problems.append(f"{name} is not a whole number of at least {at_least}")
            return default
        return int(value)

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._variables.get(name, "").lower()
        if value in {"true", "false"}:
            return value == "true"
        if value:
            self.problems.append(f"{name} is neither true nor false")
        return default

    def stage(self) -> Stage:
        """`ENVIRONMENT`; production unless told otherwise, so that forgetting it is safe."""
        value = self.text("ENVIRONMENT", Stage.PRODUCTION)
        if value in set(Stage):
            return Stage(value)
        self.problems.append(f"ENVIRONMENT is none of {', '.join(Stage)}")
        return Stage.PRODUCTION


@contextmanager
def read_environment(variables: Mapping[str, str] | None = None) -> Iterator[EnvironmentReader]:
    """Reads settings inside the block; raises SettingsError at its end if any was wrong."""
    reader = EnvironmentReader(os.environ if variables is None else variables)
    yield reader
    if reader.problems:
        raise SettingsError(reader.problems)


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What every service is told; each adds its own."""

    stage: Stage
    host: str
    port: int
    database_url: Secret
    database_pool_size: int
    redis_url: Secret
    router_secret: Secret
    introspection: bool
    shutdown_notice: int
    """Seconds between failing readiness and letting go of connections: as long as it takes whoever
    balances the load to notice."""
    tracing_endpoint: str
    """Where spans are sent (OTLP over HTTP); empty: nowhere, and none are made."""

    @classmethod
    def common(cls, read: EnvironmentReader, service: str, *, port: int) -> dict[str, Any]:
        """These fields, for the service whose variables begin with `service`."""
        stage = read.stage()
        return {
            "stage": stage,
            "host": read.text(f"{service}_HOST", "127.0.0.1"),
            "port": read.integer(f"{service}_PORT", port, at_least=1),
            "database_url": read.secret(f"{service}_DATABASE_URL"),
            "database_pool_size": read.integer(f"{service}_DATABASE_POOL_SIZE", 10, at_least=1),
            "redis_url": Secret(read.text("REDIS_URL")),
            "router_secret": read.secret("ROUTER_SECRET", at_least=32),
            "introspection": read.flag("GRAPHQL_INTROSPECTION", default=stage is Stage.DEVELOPMENT),
            "tracing_endpoint": read.text("TRACING_ENDPOINT", ""),
            "shutdown_notice": read.integer("SHUTDOWN_NOTICE_SECONDS", 0),
        }
