"""What the explorer reads from its environment."""

from collections.abc import Mapping
from dataclasses import dataclass

from chassis.settings import Stage, read_environment


@dataclass(frozen=True, slots=True)
class Settings:
    stage: Stage
    host: str
    port: int
    shutdown_notice: int
    """Seconds between failing readiness and letting go of connections."""

    @classmethod
    def from_env(cls, variables: Mapping[str, str] | None = None) -> "Settings":
        """Reads `variables`, or the environment of the process. Raises SettingsError."""
        with read_environment(variables) as read:
            return cls(
                stage=read.stage(),
                host=read.text("EXPLORER_HOST"),
                port=read.integer("EXPLORER_PORT", at_least=1),
                shutdown_notice=read.integer("SHUTDOWN_NOTICE_SECONDS", 0),
            )
