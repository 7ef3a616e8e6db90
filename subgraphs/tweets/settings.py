"""What the tweets service reads from its environment."""

from collections.abc import Mapping
from dataclasses import dataclass

from chassis.settings import Secret, Stage, read_environment


@dataclass(frozen=True, slots=True)
class Settings:
    stage: Stage
    host: str
    port: int
    database_url: Secret
    database_pool_size: int
    redis_url: Secret
    event_groups: frozenset[str]
    event_limit: int
    router_secret: Secret
    introspection: bool

    @classmethod
    def from_env(cls, variables: Mapping[str, str] | None = None) -> "Settings":
        """Reads `variables`, or the environment of the process. Raises SettingsError."""
        with read_environment(variables) as read:
            stage = read.stage()
            return cls(
                stage=stage,
                host=read.text("TWEETS_HOST", "127.0.0.1"),
                port=read.integer("TWEETS_PORT", 4102, at_least=1),
                database_url=read.secret("TWEETS_DATABASE_URL"),
                database_pool_size=read.integer("TWEETS_DATABASE_POOL_SIZE", 10, at_least=1),
                redis_url=Secret(read.text("REDIS_URL")),
                event_groups=frozenset(read.text("TWEETS_EVENT_GROUPS", "notifier").split()),
                event_limit=read.integer("TWEETS_EVENT_LIMIT", 10_000, at_least=1),
                router_secret=read.secret("ROUTER_SECRET", at_least=32),
                introspection=read.flag(
                    "GRAPHQL_INTROSPECTION", default=stage is Stage.DEVELOPMENT
                ),
            )
