"""The settings of the stack: `.env`, which the first start makes with fresh secrets."""

import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from chassis.topology import FILE, Service, TopologyError, declared
from deploy.dotenv import read
from stack.ports import free_ports
from stack.process import ROOT, StackError

EXAMPLE = ROOT / ".env.example"
SERVICE_EXAMPLE = "env.example"
"""The file in a service's folder with the settings that only it reads."""

SECRETS = ".secrets"
"""The folder, beside the file, of files with secrets."""

Values = Mapping[str, str]

T = TypeVar("T")

_LOOPBACK = "127.0.0.1"


def prepare(path: Path, given: Values) -> dict[str, str]:
    """Return the settings in `path`, overridden by `given` and completed.

    Makes `path` from the examples if it is missing. A secret that it lacks is generated and added
    to it; a setting that follows from `services.toml` is computed and not written. A file with a
    secret is made in the folder SECRETS, unless a setting names another.
    """
    if not path.exists():
        _create(path)
    settings = {**_set(examples()), **_defaults(), **_set(read(path)), **_set(given)}
    additions = {}
    for name, generate in _secrets().items():
        if not settings.get(name):
            settings[name] = additions[name] = generate(settings)
    _write(path, additions)
    for name, compute in _computed().items():
        if not settings.get(name):
            settings[name] = compute(settings)
    return settings | _secret_files(path.with_name(SECRETS), settings)


def examples() -> dict[str, str]:
    """Return the settings that the examples name, with their defaults or empty strings."""
    values: dict[str, str] = {}
    for file in _example_files():
        values |= read(file)
    return values


def on_free_ports() -> dict[str, str]:
    """Return a free port for each port setting, for a stack that runs beside others."""
    names = [name for name in {**examples(), **_defaults()} if name.endswith("_PORT")]
    return dict(zip(names, map(str, free_ports(len(names))), strict=True))


def _example_files() -> list[Path]:
    files = [EXAMPLE, *(ROOT / s.folder / SERVICE_EXAMPLE for s in declared().services.values())]
    return [file for file in files if file.exists()]


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text("\n".join(file.read_text() for file in _example_files()))


def _set(values: Values) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _defaults() -> dict[str, str]:
    """Return the host and port of each service on this machine."""
    defaults = {}
    for service in declared().services.values():
        defaults[f"{service.prefix}HOST"] = _LOOPBACK
        defaults[f"{service.prefix}PORT"] = str(service.port)
        if service.grpc_port:
            defaults[f"{service.prefix}GRPC_HOST"] = _LOOPBACK
            defaults[f"{service.prefix}GRPC_PORT"] = str(service.grpc_port)
    return defaults


def _secrets() -> dict[str, Callable[[Values], str]]:
    """Return the function that generates each secret that is kept in the file."""
    generators: dict[str, Callable[[Values], str]] = {
        "ROUTER_SECRET": _secret,
        "PROBER_SECRET": _secret,
        "REDIS_URL": _redis,
    }
    for service in declared().services.values():
        if service.database:
            generators[f"{service.prefix}DATABASE_URL"] = _database(service.name)
        for name, kind in service.secrets.items():
            generators[name] = _generator(service, name, kind, _GENERATORS)
    return generators


def _secret_files(folder: Path, settings: Values) -> dict[str, str]:
    """Return the paths of the files that no setting names; those that are missing are made."""
    paths = {}
    for service in declared().services.values():
        for name, file in service.secret_file_names.items():
            if settings.get(name):
                continue
            path = folder / file
            paths[name] = str(path)
            if not path.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
                _generator(service, name, service.secret_files[name], _FILE_GENERATORS)(path)
    return paths


def _generator(service: Service, name: str, kind: str, known: Mapping[str, T]) -> T:
    if kind not in known:
        raise TopologyError(
            f"{FILE}: [services.{service.name}] {name} is {kind!r}; "
            f"it must be one of {', '.join(known)}"
        )
    return known[kind]


def _computed() -> dict[str, Callable[[Values], str]]:
    """Return the function that computes each setting that follows from others."""
    computed: dict[str, Callable[[Values], str]] = {
        "PUBLIC_URL": _public_url,
        "AUTH_ISSUER": _public_url,
    }
    for service in declared().services.values():
        for owner in service.consumes:
            computed[service.owner_setting(owner)] = _address(owner, "http://{host}:{port}", "")
        if service.subscriptions:
            computed[service.router_setting] = _router_url
        for called in service.calls:
            computed[service.call_setting(called)] = _address(called, "{host}:{port}", "GRPC_")
    return computed


def _write(path: Path, additions: Values) -> None:
    """Write values into the file: on the line with their name, else at the end."""
    if not additions:
        return
    lines = path.read_text().splitlines()
    missing = dict(additions)
    for index, line in enumerate(lines):
        name = line.partition("=")[0].strip()
        if name in missing:
            lines[index] = f"{name}={missing.pop(name)}"
    lines += [f"{name}={value}" for name, value in missing.items()]
    path.write_text("\n".join(lines) + "\n")


def _secret(_: Values) -> str:
    return secrets.token_urlsafe(32)


def _public_url(settings: Values) -> str:
    return f"http://localhost:{settings['EDGE_PORT']}"


def _router_url(settings: Values) -> str:
    return f"http://{settings['ROUTER_HOST']}:{settings['ROUTER_PORT']}/graphql"


def _database(service: str) -> Callable[[Values], str]:
    def url(settings: Values) -> str:
        password = secrets.token_hex(16)
        return f"postgresql://{service}:{password}@127.0.0.1:{settings['POSTGRES_PORT']}/{service}"

    return url


def _redis(settings: Values) -> str:
    return f"redis://:{secrets.token_hex(16)}@127.0.0.1:{settings['REDIS_PORT']}/0"


def _address(name: str, form: str, port: str) -> Callable[[Values], str]:
    prefix = declared()[name].prefix

    def address(settings: Values) -> str:
        host, number = settings[f"{prefix}{port}HOST"], settings[f"{prefix}{port}PORT"]
        return form.format(host=host, port=number)

    return address


def _signing_keys(path: Path) -> None:
    command = [sys.executable, "-m", "subgraphs.auth", "keys", "init", str(path)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if made.returncode:
        raise StackError(f"No signing key could be made:\n{made.stderr}")


_GENERATORS: dict[str, Callable[[Values], str]] = {
    "random": _secret,
}
"""Generates a secret that a service declares, by its kind."""

_FILE_GENERATORS: dict[str, Callable[[Path], None]] = {"signing-keys": _signing_keys}
"""Makes a file with a secret, by its kind."""
