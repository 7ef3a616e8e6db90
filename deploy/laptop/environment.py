"""The settings of the stack: `.env`, made with fresh secrets at the first start."""

import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.laptop.ports import free_ports
from deploy.laptop.process import ROOT, StackError

EXAMPLE = ROOT / ".env.example"

Values = Mapping[str, str]


def prepare(path: Path, given: Values) -> dict[str, str]:
    """The settings in `path`, with `given` before them.

    What `.env.example` names and `path` lacks is added to `path`: its default, or a fresh secret.
    """
    written = read(path) if path.exists() else {}
    additions = {name: value for name, value in read(EXAMPLE).items() if not written.get(name)}
    settings = {**additions, **{n: v for n, v in written.items() if v}, **given}
    for name in additions:
        if not settings[name]:
            settings[name] = additions[name] = _GENERATORS[name](settings)
    _write(path, {name: value for name, value in additions.items() if value})
    return settings


def on_free_ports() -> dict[str, str]:
    """A free port for each that the settings name, for a stack beside others."""
    names = [name for name in read(EXAMPLE) if name.endswith("_PORT")]
    return dict(zip(names, map(str, free_ports(len(names))), strict=True))


def read(path: Path) -> dict[str, str]:
    """The variables of a file of NAME=value lines; `#` begins a comment line."""
    values = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        name, equals, value = line.strip().partition("=")
        if not name or name.startswith("#"):
            continue
        if not equals or not name.isidentifier():
            raise StackError(f"{path}, line {number}, is not of the form NAME=value")
        values[name] = value.strip().strip("\"'")
    return values


def _write(path: Path, additions: Values) -> None:
    """Puts the values into the file, or into a copy of the example; only we can read it."""
    if not additions:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (path if path.exists() else EXAMPLE).read_text().splitlines()
    missing = dict(additions)
    for index, line in enumerate(lines):
        name = line.partition("=")[0].strip()
        if name in missing:
            lines[index] = f"{name}={missing.pop(name)}"
    lines += [f"{name}={value}" for name, value in missing.items()]
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")


def _secret(_: Values) -> str:
    return secrets.token_urlsafe(32)


def _public_url(settings: Values) -> str:
    return f"http://localhost:{settings['EDGE_PORT']}"


def _database(service: str) -> Callable[[Values], str]:
    def url(settings: Values) -> str:
        password = secrets.token_hex(16)
        return f"postgresql://{service}:{password}@127.0.0.1:{settings['POSTGRES_PORT']}/{service}"

    return url


def _redis(settings: Values) -> str:
    return f"redis://:{secrets.token_hex(16)}@127.0.0.1:{settings['REDIS_PORT']}/0"


def _auth_grpc(settings: Values) -> str:
    return f"{settings['AUTH_GRPC_HOST']}:{settings['AUTH_GRPC_PORT']}"


def _signing_keys(_: Values) -> str:
    command = [sys.executable, "-m", "subgraphs.auth", "keys", "new"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if made.returncode:
        raise StackError(f"No signing key could be made:\n{made.stderr}")
    return made.stdout.strip()


_GENERATORS: dict[str, Callable[[Values], str]] = {
    "ROUTER_SECRET": _secret,
    "REDIS_URL": _redis,
    "AUTH_DATABASE_URL": _database("auth"),
    "AUTH_SIGNING_KEYS": _signing_keys,
    "AUTH_REFRESH_SECRET": _secret,
    "AUTH_ISSUER": _public_url,
    "TWEETS_AUTH_GRPC": _auth_grpc,
    "TWEETS_DATABASE_URL": _database("tweets"),
    "NOTIFIER_AUTH_GRPC": _auth_grpc,
    "NOTIFIER_DATABASE_URL": _database("notifier"),
    "NOTIFIER_UNSUBSCRIBE_SECRET": _secret,
    "PUBLIC_URL": _public_url,
    "PROBER_SECRET": _secret,
}
