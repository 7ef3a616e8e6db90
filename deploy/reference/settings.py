"""The reference of settings, from what each service reads and what its README says about it."""

import importlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import chassis.settings
from chassis.settings import EnvironmentReader, Secret, SettingsError, Stage
from chassis.topology import ROOT, Service, Topology
from deploy.docs.links import without_links
from deploy.reference.markdown import code, page, table
from stack.environment import EXAMPLE

_UNITS = {"SECONDS": "seconds", "DAYS": "days", "KIB": "KiB"}
_CORES = 7919  # a number that no default is
_GIVEN = {"PUBLIC_URL": "PUBLIC_URL"}
"""Settings of which the defaults of others are made."""
_SWITCHES = ("MAIL_DKIM_SELECTOR",)
"""Settings without which others are not read."""
_EVERYWHERE = {
    "ENVIRONMENT": "`development` or `production`; only development relaxes checks",
    "HOST": "the address to listen on",
    "PORT": "the port to listen on",
    "DATABASE_URL": "`postgresql://user:password@host:port/database`",
    "DATABASE_POOL_SIZE": "the connections of one process",
    "REDIS_URL": "the server of the event streams",
    "ROUTER_SECRET": "the secret by which the edge authenticates to subgraphs",
    "ROUTER_URL": "the address of the router's GraphQL, which completes events of subscriptions",
    "GRAPHQL_INTROSPECTION": "whether clients may query the schema; by default in development",
    "EVENT_LIMIT": "the largest number of entries in the stream of its events; beyond it, events "
    "wait in PostgreSQL",
    "TRACING_ENDPOINT": "the OTLP collector (HTTP); without it tracing is off",
    "SHUTDOWN_NOTICE_SECONDS": "how long a service that stops still answers while it reports that "
    "it is not ready",
}
"""What settings mean that every service has, by the name without the service's prefix."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as the code reads it."""

    kind: str
    default: str | None
    """None: the setting is required."""
    condition: str = ""
    """The setting without which this one is not read."""


class Recorder(EnvironmentReader):
    """Records the settings that are read."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(variables)
        self.settings: dict[str, Setting] = {}

    def text(self, name: str, default: str | None = None) -> str:
        self._record(name, "text", default)
        return super().text(name, default)

    def secret(self, name: str, *, at_least: int = 16) -> Secret:
        self._record(name, f"secret, {at_least} characters or more", None)
        return super().secret(name, at_least=at_least)

    def integer(self, name: str, default: int | None = None, *, at_least: int = 0) -> int:
        unit = next((unit for end, unit in _UNITS.items() if name.endswith(f"_{end}")), "a number")
        shown = "number of processors" if default == _CORES else default
        kind = f"{unit}, at least {at_least}" if at_least > 1 else unit
        self._record(name, kind, None if shown is None else str(shown))
        return super().integer(name, default, at_least=at_least)

    def flag(self, name: str, *, default: bool) -> bool:
        self._record(name, "`true` or `false`", str(default).lower())
        return super().flag(name, default=default)

    def stage(self) -> Stage:
        self._record("ENVIRONMENT", "text", Stage.PRODUCTION)
        return super().stage()

    def _record(self, name: str, kind: str, default: str | None) -> None:
        self.settings.setdefault(name, Setting(kind, default))


def settings(service: Service) -> Mapping[str, Setting]:
    """Return the settings that a service reads, in the order in which it does."""
    found = _read(service, {})
    for switch in _SWITCHES:
        for name, setting in _read(service, {switch: "on"}).items():
            found.setdefault(name, replace(setting, condition=switch))
    return found


def _read(service: Service, variables: Mapping[str, str]) -> dict[str, Setting]:
    recorder = Recorder({**_GIVEN, **variables})
    module = importlib.import_module(f"{service.module}.settings")
    with (
        patch.object(chassis.settings, "EnvironmentReader", lambda _: recorder),
        patch("os.cpu_count", return_value=_CORES),
        suppress(SettingsError),  # required settings are missing
    ):
        module.Settings.from_env({})
    return recorder.settings


def described(readme: Path) -> dict[str, tuple[str, str]]:
    """Return default and meaning of each setting in the table "Settings" of a README."""
    _, _, section = readme.read_text().partition("\n## Settings\n")
    found: dict[str, tuple[str, str]] = {}
    for line in section.partition("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        names = re.findall(r"`([A-Z0-9_]+)`", cells[0])
        if len(cells) == 3 and names:
            meaning = without_links(cells[2].rstrip("| "))
            defaults = cells[1].replace("`", "").split(", ")
            for name, default in zip(names, defaults * len(names), strict=False):
                found[name] = default, meaning
    return found


def comments(example: Path) -> Iterator[tuple[str, str, str]]:
    """Yield name, default and comment of each setting in a file like `.env.example`."""
    comment: list[str] = []
    in_comment = False
    for line in example.read_text().splitlines():
        if setting := re.fullmatch(r"(# )?([A-Z][A-Z0-9_]+)=(.*)", line):
            yield setting[2], "" if setting[1] else setting[3], " ".join(comment)
            in_comment = False
        elif line.startswith("#"):
            comment = [*comment, line.strip("# ")] if in_comment else [line.strip("# ")]
            in_comment = True
        else:
            comment, in_comment = [], False


def text(topology: Topology) -> str:
    """Return the page."""
    read = [(service, settings(service)) for service in topology.services.values()]
    names = {name for _, found in read for name in found}
    rest = [each for each in comments(EXAMPLE) if each[0] not in names]
    return page(
        "Settings.from_env of each service, the tables of their READMEs, and .env.example",
        "Settings",
        "Environment variables. A service reads nothing else, checks all of them at its start, "
        "and names every one that is missing or wrong. `make up` keeps them in `.env` and "
        "generates the secrets; addresses and ports follow from "
        "[`services.toml`](../services.md). A setting without a default is required.",
        *(f"## {service.name}\n\n" + _table(service, found) for service, found in read),
        "## Edge, router, stack and prober\n\n"
        + table(["setting", "default", ""], ([code(n), code(d), c] for n, d, c in rest)),
    )


def _table(service: Service, found: Mapping[str, Setting]) -> str:
    readme = described(ROOT / service.folder / "README.md")
    rows = [
        [code(name), _default(setting), setting.kind, _meaning(service, name, readme)]
        for name, setting in found.items()
    ]
    rows += [
        [code(name), code(default), "read by a command", meaning]
        for name, (default, meaning) in readme.items()
        if name not in found and name.startswith(service.prefix)
    ]
    return table(["setting", "default", "value", ""], rows)


def _default(setting: Setting) -> str:
    if setting.default is not None:
        return code(setting.default) or "unset"
    return f"**required** with {code(setting.condition)}" if setting.condition else "**required**"


def _meaning(service: Service, name: str, readme: Mapping[str, tuple[str, str]]) -> str:
    owners = {service.owner_setting(o): f"the HTTP address of {o}" for o in service.consumes}
    called = {service.call_setting(c): f"the gRPC address of {c}" for c in service.calls}
    shared = _EVERYWHERE.get(name.removeprefix(service.prefix))
    return shared or readme.get(name, ("", ""))[1] or (owners | called).get(name, "")
