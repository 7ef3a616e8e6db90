"""The migrations of all services, which are run again only after a change."""

import hashlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chassis.topology import declared
from stack.addresses import Addresses
from stack.commands import Commands
from stack.postgres import Postgres
from stack.preload import Preloader
from stack.process import ROOT


@dataclass(frozen=True, slots=True)
class Migrations:
    stamp: Path
    """The file with the digest of the migrations that have run."""
    postgres: Postgres
    addresses: Addresses
    settings_of: Callable[[str], Mapping[str, str]]
    """Returns the environment of a service."""

    def are_done(self) -> bool:
        """Return whether these migrations have run here before. A service checks for itself too."""
        return self.stamp.exists() and self.stamp.read_text() == self._digest()

    def run(self, commands: Commands, preloader: Preloader | None) -> None:
        """Migrate every database, at the same time. Raises StackError."""
        commands.run_all(
            {
                service.name: (
                    (sys.executable, "-m", service.module, "migrate"),
                    self.settings_of(service.name),
                )
                for service in declared().databases
            },
            preloader,
        )
        self.stamp.write_text(self._digest())

    def _digest(self) -> str:
        """Return a digest of the migrations, the databases and the cluster that holds them."""
        where = [self.postgres.identity, *self.addresses.databases]
        digest = hashlib.sha256("\n".join(where).encode())
        folders = [ROOT / service.migrations for service in declared().databases]
        for file in sorted(file for folder in folders for file in folder.glob("*.py")):
            digest.update(file.read_bytes())
        return digest.hexdigest()
