"""What the tweets service reads from its environment."""

from collections.abc import Mapping
from dataclasses import dataclass

from chassis.settings import ServiceSettings, read_environment


@dataclass(frozen=True, slots=True)
class Settings(ServiceSettings):
    event_groups: frozenset[str]
    event_limit: int

    @classmethod
    def from_env(cls, variables: Mapping[str, str] | None = None) -> "Settings":
        """Reads `variables`, or the environment of the process. Raises SettingsError."""
        with read_environment(variables) as read:
            return cls(
                **cls.common(read, "TWEETS", port=4102),
                event_groups=frozenset(read.text("TWEETS_EVENT_GROUPS", "notifier").split()),
                event_limit=read.integer("TWEETS_EVENT_LIMIT", 10_000, at_least=1),
            )
