"""Reads `services.toml`, the declaration of the services of this system.

Standard library only, because the container that renders the edge's configuration imports it too.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_origin

from chassis.node_ids import tag_of

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_TARGET = "service"
FILE = "services.toml"

RESERVED = frozenset(
    {
        *("edge", "router", "mailbox", "mailpit", "postgres", "redis", "valkey", "prober"),
        *("prometheus", "grafana", "jaeger", "database", "databases", "mail", "public"),
    }
)
"""Names of other processes, and words that would make the name of a setting ambiguous."""

USER = "user"
"""The role of every account. It has what services declare as `scopes`."""

SECRET_KINDS = ("random",)
"""The kinds of secrets that deploy/secrets.sh and `make up` generate."""

SECRET_FILE_KINDS = ("signing-keys",)
"""The kinds of files with secrets that they generate."""

_NAME = re.compile(r"[a-z][a-z0-9]{0,30}")
_SCOPE = re.compile(r"[a-z0-9:._-]+")
_ROLE = re.compile(r"[a-z][a-z0-9-]{0,30}")
_MODULE = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?")
_NOT_OF_PAGES = (
    *("grpc_port", "database", "subscriptions", "publishes", "consumes", "calls", "sends_mail"),
    *("cron", "secrets", "secret_files", "nodes"),
)


class TopologyError(Exception):
    """`services.toml` is missing or invalid; the message has one line for each problem."""


class Kind(StrEnum):
    """The role of a service."""

    SUBGRAPH = "subgraph"
    """Serves `/graphql` to the router."""
    PAGE = "page"
    """Serves pages to the edge."""


@dataclass(frozen=True, slots=True)
class Resources:
    """The resource requests and limits of a container, in the units of Kubernetes."""

    cpu: str = "100m"
    memory: str = "160Mi"
    memory_limit: str = "384Mi"


@dataclass(frozen=True, slots=True)
class Replicas:
    """The number of pods: at least `min`, and up to `max` under load."""

    min: int = 2
    max: int = 10


@dataclass(frozen=True, slots=True)
class Project:
    """The product: `name` for identifiers, `title` for texts."""

    name: str
    title: str
    registry: str = "ghcr.io/example"
    """The registry of released images: `<registry>/<name>/<image>`."""


@dataclass(frozen=True, slots=True)
class Service:
    """One stanza of `services.toml`."""

    name: str
    module: str
    kind: Kind
    port: int
    grpc_port: int | None = None
    database: bool = False
    """Whether it has a PostgreSQL database."""
    subscriptions: bool = False
    """Whether it serves GraphQL subscriptions."""
    publishes: bool = False
    """Whether it publishes events, on the stream `events.<name>`."""
    consumes: tuple[str, ...] = ()
    """The services whose events it consumes. Its consumer group has the name of the service."""
    consumes_if_declared: tuple[str, ...] = ()
    """Optional services whose events it consumes; the declared ones are added to `consumes`."""
    calls: tuple[str, ...] = ()
    """The services that it calls over gRPC."""
    sends_mail: bool = False
    scopes: tuple[str, ...] = ()
    """The scopes that it checks and every account has. Other services may check them too."""
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Further scopes that it checks, by the role whose accounts have them."""
    nodes: tuple[str, ...] = ()
    """The GraphQL types that it owns and `node(id)` finds."""
    public_paths: tuple[str, ...] = ()
    """Paths that the edge forwards without identity; a path that ends in `/` includes all below."""
    cron: Mapping[str, str] = field(default_factory=dict)
    """Scheduled commands of its command line: command to cron expression."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Additional secret settings: name to the kind of the generated value.

    Services that declare the same name share one value.
    """
    secret_files: Mapping[str, str] = field(default_factory=dict)
    """Settings that name a file with a secret, which may change while processes run: name to the
    kind of the generated file.
    """
    requirements: str = "subgraph"
    """The file in `requirements/` with its packages."""
    target: str = DEFAULT_TARGET
    """The target of the Dockerfile that builds its image."""
    compose: Mapping[str, str] = field(default_factory=dict)
    """Additional settings under Docker Compose; a value may contain `${NAME:-default}`."""
    kubernetes: Mapping[str, str] = field(default_factory=dict)
    """Additional settings on Kubernetes."""
    resources: Resources = Resources()
    replicas: Replicas = Replicas()

    @property
    def prefix(self) -> str:
        """The prefix of its settings: `TWEETS_`."""
        return f"{self.name.upper()}_"

    def owner_setting(self, owner: str) -> str:
        """Return the name of the setting with the HTTP address of a service that it consumes."""
        return f"{self.prefix}{owner.upper()}_URL"

    def call_setting(self, called: str) -> str:
        """Return the name of the setting with the gRPC address of a service that it calls."""
        return f"{self.prefix}{called.upper()}_GRPC"

    @property
    def router_setting(self) -> str:
        """The name of the setting with the router's address, for a service with subscriptions."""
        return f"{self.prefix}ROUTER_URL"

    @property
    def secret_file_names(self) -> Mapping[str, str]:
        """The name of each file with a secret, by its setting: `auth-signing-keys`."""
        return {
            setting: setting.removesuffix("_FILE").lower().replace("_", "-")
            for setting in self.secret_files
        }

    @property
    def stream(self) -> str:
        """The name of the Redis stream of its events."""
        return f"events.{self.name}"

    @property
    def folder(self) -> str:
        """Its folder in the repository: `subgraphs/tweets`."""
        return self.module.replace(".", "/")

    @property
    def migrations(self) -> str:
        """The folder of its migrations in the repository: `subgraphs/tweets/migrations`."""
        return f"{self.folder}/migrations"

    @property
    def checked_scopes(self) -> frozenset[str]:
        """The scopes that it checks, of every role."""
        return frozenset(self.scopes).union(*self.roles.values())

    @property
    def is_subgraph(self) -> bool:
        return self.kind is Kind.SUBGRAPH

    @property
    def uses_redis(self) -> bool:
        return self.is_subgraph


@dataclass(frozen=True, slots=True)
class Topology:
    """The whole declaration."""

    project: Project
    services: Mapping[str, Service]

    def __getitem__(self, name: str) -> Service:
        """Raises TopologyError for a service that is not declared."""
        try:
            return self.services[name]
        except KeyError:
            raise TopologyError(
                f"{FILE}: there is no service {name}; add [services.{name}]"
            ) from None

    @property
    def subgraphs(self) -> Sequence[Service]:
        return [s for s in self.services.values() if s.is_subgraph]

    @property
    def databases(self) -> Sequence[Service]:
        """The services that have a database."""
        return [s for s in self.services.values() if s.database]

    @property
    def roles(self) -> Mapping[str, frozenset[str]]:
        """The scopes of each role, over all services. Every account has the role `user`."""
        roles: dict[str, frozenset[str]] = {USER: frozenset()}
        for service in self.services.values():
            for role, scopes in {**service.roles, USER: service.scopes}.items():
                roles[role] = roles.get(role, frozenset()).union(scopes)
        return MappingProxyType(roles)

    @property
    def scopes(self) -> frozenset[str]:
        """Every scope that a session may hold."""
        return frozenset[str]().union(*self.roles.values())

    @property
    def nodes(self) -> Mapping[str, str]:
        """The service that owns each type which `node(id)` finds, by the type."""
        return MappingProxyType({node: s.name for s in self.services.values() for node in s.nodes})

    def consumed_streams(self, name: str) -> Sequence[str]:
        """Return the streams of the services that this one consumes. Raises TopologyError."""
        return [self[owner].stream for owner in self[name].consumes]

    def consumers_of(self, name: str) -> frozenset[str]:
        """Return the consumer groups that must acknowledge an event of this service."""
        return frozenset(s.name for s in self.services.values() if name in s.consumes)


def stream_path(service: str) -> str:
    """Return the public path of the subscriptions of a service."""
    return f"/graphql/stream/{service}"


@cache
def declared(root: Path = ROOT) -> Topology:
    """Return the declaration in `services.toml` under `root`, read once. Raises TopologyError."""
    return read(root)


def read(root: Path) -> Topology:
    """Read the declaration in `services.toml` under `root`. Raises TopologyError."""
    try:
        text = (root / FILE).read_text()
    except OSError as error:
        raise TopologyError(f"{root / FILE} cannot be read: {error.strerror}") from None
    return parse(text)


def parse(text: str) -> Topology:
    """Return the declaration in the text of a `services.toml`. Raises TopologyError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TopologyError(f"{FILE}: {error}") from None
    problems: list[str] = []
    project = _table(Project, document.pop("project", {}), "[project]", problems)
    stanzas = document.pop("services", {})
    problems += [
        f"[{key}] is unknown; [project] and [services.<name>] are known" for key in document
    ]
    if not isinstance(stanzas, dict):
        problems.append("[services] must hold tables: [services.<name>]")
        stanzas = {}
    services = {
        name: _table(Service, {"name": name, **stanza}, f"[services.{name}]", problems)
        for name, stanza in stanzas.items()
        if isinstance(stanza, dict)
    }
    if not problems:
        services = {name: _with_optional_owners(s, services) for name, s in services.items()}
        topology = Topology(project, MappingProxyType(services))
        problems = list(_contradictions(topology))
        if not problems:
            return topology
    raise TopologyError("\n".join(f"{FILE}: {problem}" for problem in problems))


def _with_optional_owners(service: Service, services: Mapping[str, Service]) -> Service:
    found = (owner for owner in service.consumes_if_declared if owner in services)
    return replace(service, consumes=(*service.consumes, *found))


def _table(type_: Any, given: Any, where: str, problems: list[str]) -> Any:
    """Return an instance of the dataclass `type_`; append the problems of `given`."""
    if not isinstance(given, dict):
        problems.append(f"{where} must be a table")
        return None
    known = {f.name: f for f in fields(type_)}
    for key in given.keys() - known.keys():
        near = difflib.get_close_matches(key, known, n=1)
        meant = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
        problems.append(f"{where} has an unknown key {key}{meant}")
    values = {}
    for name, description in known.items():
        if name in given:
            values[name] = _value(description.type, given[name], f"{where} {name}", problems)
        elif description.default is MISSING and description.default_factory is MISSING:
            problems.append(f"{where} lacks {name}")
            values[name] = None
    return type_(**values)


def _value(type_: Any, given: Any, where: str, problems: list[str]) -> Any:
    if type_ in (Resources, Replicas):
        return _table(type_, given, where, problems)
    if type_ is Kind:
        if given in set(Kind):
            return Kind(given)
        problems.append(f"{where} is {given!r}; it must be one of {', '.join(Kind)}")
        return None
    if get_origin(type_) is tuple:
        if isinstance(given, list) and all(isinstance(item, str) for item in given):
            return tuple(given)
        problems.append(f"{where} must be a list of strings")
        return ()
    if get_origin(type_) is Mapping:
        _, item = get_args(type_)
        return _mapping(item, given, where, problems)
    wanted = next((t for t in get_args(type_) or (type_,) if t is not type(None)), str)
    # In Python a bool is an int.
    if isinstance(given, wanted) and isinstance(given, bool) == (wanted is bool):
        return given
    names = {str: "a string", int: "a whole number", bool: "true or false"}
    problems.append(f"{where} must be {names[wanted]}")
    return None


def _mapping(item: Any, given: Any, where: str, problems: list[str]) -> Mapping[str, Any]:
    """Return a table whose values have the type `item`; append the problems of `given`."""
    if not isinstance(given, dict):
        problems.append(f"{where} must be a table")
        return {}
    values = {name: _value(item, of, f"{where}.{name}", problems) for name, of in given.items()}
    return MappingProxyType(values)


def _contradictions(topology: Topology) -> Iterator[str]:
    """Yield the problems of the declaration as a whole."""
    if not _NAME.fullmatch(topology.project.name):
        yield f"[project] name {topology.project.name!r} must be lower-case letters and digits"
    if "auth" not in topology.services:
        yield "there is no [services.auth]; the edge asks it about every token"
    for service in topology.services.values():
        problems = (
            *_own_problems(service),
            *_unsupported(service),
            *_misfit_roles(service, topology.roles[USER]),
            *_dangling(service, topology.services),
        )
        yield from (f"[services.{service.name}] {problem}" for problem in problems)
    yield from _conflicting_secrets(topology)
    yield from _ambiguous_nodes(topology)
    for what, values in (
        ("port", lambda s: filter(None, (s.port, s.grpc_port))),
        ("public path", lambda s: s.public_paths),
        ("node", lambda s: s.nodes),
    ):
        owners: dict[Any, str] = {}
        for service in topology.services.values():
            for value in values(service):
                if value in owners:
                    where = f"[services.{service.name}]"
                    yield f"{where} {what} {value} is already used by {owners[value]}"
                owners[value] = service.name


def _conflicting_secrets(topology: Topology) -> Iterator[str]:
    """Yield the shared secrets that two services declare with different kinds."""
    declared: dict[str, tuple[str, str]] = {}
    for service in topology.services.values():
        for name, kind in service.secrets.items():
            first, owner = declared.setdefault(name, (kind, service.name))
            if kind != first:
                where = f"[services.{service.name}] secrets {name}"
                yield f"{where} is {kind!r}; {owner} shares it and declares {first!r}"


def _ambiguous_nodes(topology: Topology) -> Iterator[str]:
    """Yield the nodes whose ids name the same type."""
    names: dict[int, str] = {}
    for name, owner in topology.nodes.items():
        other = names.setdefault(tag_of(name), name)
        if other != name:
            yield f"[services.{owner}] nodes {name} has the same digest as {other}; rename it"


def _misfit_roles(service: Service, everyone: frozenset[str]) -> Iterator[str]:
    """Yield the problems of a service's roles; `everyone` are the scopes of every account."""
    for role, scopes in service.roles.items():
        if role == USER:
            yield f"roles has {USER}, which every account has; list its scopes in scopes"
        elif not _ROLE.fullmatch(role):
            yield f"role {role!r} must be lower-case letters, digits and -"
        elif not scopes:
            yield f"roles.{role} lists no scope"
        elif common := everyone.intersection(scopes):
            yield f"roles.{role} has {', '.join(sorted(common))}, which every account has"


def _own_problems(service: Service) -> Iterator[str]:
    """Yield the problems of a stanza that do not depend on other stanzas."""
    if not _NAME.fullmatch(service.name):
        yield "must be named with lower-case letters and digits"
    if service.name in RESERVED:
        yield f"has a reserved name; reserved are {', '.join(sorted(RESERVED))}"
    if not _MODULE.fullmatch(service.module):
        yield f"module {service.module!r} is not the dotted name of a package"
    yield from _misfits(service)
    if (service.consumes or service.publishes) and not service.database:
        yield "consumes or publishes events, which needs database = true"
    if service.replicas.min > service.replicas.max:
        yield "replicas.min is greater than replicas.max"


def _unsupported(service: Service) -> Iterator[str]:
    """Yield the keys that the kind of the service, or the generators of secrets, do not support."""
    for name, kind in service.secrets.items():
        if kind not in SECRET_KINDS:
            yield f"secrets {name} is {kind!r}; it must be one of {', '.join(SECRET_KINDS)}"
    for name, kind in service.secret_files.items():
        if kind not in SECRET_FILE_KINDS:
            known = ", ".join(SECRET_FILE_KINDS)
            yield f"secret_files {name} is {kind!r}; it must be one of {known}"
        if not name.startswith(service.prefix) or not name.endswith("_FILE"):
            yield f"secret_files {name} must be named {service.prefix}…_FILE"
    if service.kind is Kind.PAGE:
        for key in _NOT_OF_PAGES:
            if getattr(service, key):
                yield f"is a page and must not have {key}"


def _misfits(service: Service) -> Iterator[str]:
    """Yield the values that are invalid for their keys."""
    for port in filter(None, (service.port, service.grpc_port)):
        if not 1 <= port <= 65535:
            yield f"port {port} is not between 1 and 65535"
    for scope in sorted(service.checked_scopes):
        if not _SCOPE.fullmatch(scope):
            yield f"scope {scope!r} must be lower-case letters, digits and any of : . _ -"
    for path in service.public_paths:
        if not path.startswith("/") or path == "/" or path.startswith(("/graphql", "/events")):
            yield f"public path {path!r} must begin with / and not be one of the edge's own"


def _dangling(service: Service, services: Mapping[str, Service]) -> Iterator[str]:
    """Yield the references to services that do not exist."""
    for other in service.consumes:
        if other not in services or not services[other].publishes:
            yield f"consumes {other}, which is no service with publishes = true"
    for other in service.calls:
        if other not in services or services[other].grpc_port is None:
            yield f"calls {other}, which is no service with a grpc_port"
