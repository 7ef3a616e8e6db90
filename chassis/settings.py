"""Reads a service's settings from environment variables and reports every problem at once."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum


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
