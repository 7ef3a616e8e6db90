"""The settings of the explorer, from environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass

from chassis.settings import EnvironmentReader, Stage, read_environment


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the explorer."""

    stage: Stage
    introspection: bool
    """Whether `/schema.graphql` is served."""
    host: str
    port: int
    shutdown_notice: int
    """Seconds between failing readiness and closing connections."""
    trace_url: str | None
    """The address where a trace is shown, with `{trace_id}` for its id; None without a viewer."""

    @classmethod
    def from_env(cls, variables: Mapping[str, str] | None = None) -> "Settings":
        """Read `variables`, or the environment of the process. Raises SettingsError."""
        with read_environment(variables) as read:
            stage = read.stage()
            return cls(
                stage=stage,
                introspection=read.flag(
                    "GRAPHQL_INTROSPECTION", default=stage is Stage.DEVELOPMENT
                ),
                host=read.text("EXPLORER_HOST"),
                port=read.integer("EXPLORER_PORT", at_least=1),
                shutdown_notice=read.integer("SHUTDOWN_NOTICE_SECONDS", 0),
                trace_url=_trace_url(read),
            )


def _trace_url(read: EnvironmentReader) -> str | None:
    url = read.text("EXPLORER_TRACE_URL", "")
    if url and not (url.startswith(("http://", "https://")) and "{trace_id}" in url):
        read.problems.append("EXPLORER_TRACE_URL must be a web address with {trace_id} in it")
    return url or None
