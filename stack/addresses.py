"""Where each process of the stack listens, from the settings."""

from collections.abc import Mapping

from chassis.topology import declared
from stack.mailbox import is_wanted
from stack.postgres import HOST, is_local_postgres
from stack.valkey import is_local_valkey


def for_browser(url: str) -> str:
    """Return the address with one name of this machine everywhere: another is another site."""
    return url.replace(HOST, "localhost")


class Addresses:
    """The hosts and ports in the settings."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings

    def of(self, name: str) -> tuple[str, int]:
        """Return host and port of edge, router or a service (`auth_grpc` for its gRPC server)."""
        return self._settings[f"{name.upper()}_HOST"], int(self._settings[f"{name.upper()}_PORT"])

    def url(self, name: str) -> str:
        """Return the address of edge, router or a service, without a slash at its end."""
        host, port = self.of(name)
        return f"http://{HOST if host in {'0.0.0.0', '::'} else host}:{port}"  # noqa: S104

    @property
    def databases(self) -> list[str]:
        """The database URL of each service that has a database."""
        return [self._settings[f"{service.prefix}DATABASE_URL"] for service in declared().databases]

    @property
    def runs_postgres(self) -> bool:
        """Whether a service has its database in the PostgreSQL server of the stack."""
        port = int(self._settings["POSTGRES_PORT"])
        return any(is_local_postgres(url, port) for url in self.databases)

    @property
    def runs_valkey(self) -> bool:
        """Whether REDIS_URL is the Valkey server of the stack."""
        return is_local_valkey(self._settings["REDIS_URL"], self._settings["REDIS_PORT"])

    def ports(self) -> dict[str, tuple[str, int]]:
        """Return host and port of all that the stack starts, by setting."""
        ports = {
            f"{name.upper()}_PORT": self.of(name)
            for name in ("edge", "router", *declared().services)
        }
        for service in declared().services.values():
            if service.grpc_port:
                ports[f"{service.prefix}GRPC_PORT"] = self.of(f"{service.name}_grpc")
        wanted = {
            "MAIL_PORT": is_wanted(self._settings),
            "MAILBOX_PORT": is_wanted(self._settings),
            "POSTGRES_PORT": self.runs_postgres,
            "REDIS_PORT": self.runs_valkey,
        }
        local = [setting for setting, is_started in wanted.items() if is_started]
        return ports | {setting: (HOST, int(self._settings[setting])) for setting in local}

    def ports_of(self, process: str) -> list[int]:
        """Return the ports that a process of the stack listens on."""
        settings = {
            "postgres": ("POSTGRES_PORT",),
            "valkey": ("REDIS_PORT",),
            "mailbox": ("MAILBOX_PORT", "MAIL_PORT"),
        }.get(process, (f"{process.upper()}_PORT", f"{process.upper()}_GRPC_PORT"))
        ports = self.ports()
        return [ports[setting][1] for setting in settings if setting in ports]
