"""The settings of the tweets service, from environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass

from chassis.settings import ServiceSettings, read_environment
from graphql_streams import Limits


@dataclass(frozen=True, slots=True)
class Settings(ServiceSettings):
    """The settings that every service has, and the limits of subscriptions."""

    streams: Limits

    @classmethod
    def from_env(cls, variables: Mapping[str, str] | None = None) -> "Settings":
        """Read `variables`, or the environment of the process. Raises SettingsError."""
        with read_environment(variables) as read:
            return cls(
                **cls.common(read, "tweets"),
                streams=Limits(
                    connections_per_caller=read.integer("TWEETS_STREAMS_PER_USER", 20, at_least=1),
                    operations_per_socket=read.integer(
                        "TWEETS_OPERATIONS_PER_SOCKET", 20, at_least=1
                    ),
                    idle_seconds=read.integer("TWEETS_SOCKET_IDLE_SECONDS", 60, at_least=1),
                    send_seconds=read.integer("TWEETS_SEND_SECONDS", 10, at_least=1),
                ),
            )
