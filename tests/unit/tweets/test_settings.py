"""Settings from environment variables."""

import pytest

from chassis.settings import SettingsError, Stage
from chassis.topology import TopologyError, declared
from subgraphs.tweets.settings import Settings
from tests.settings import addresses

COMPLETE = addresses("tweets") | {
    "TWEETS_DATABASE_URL": "postgresql://tweets:secret@db/tweets",
    "REDIS_URL": "redis://:secret@redis/0",
    "ROUTER_SECRET": "r" * 32,
}


class TestFromEnv:
    def test_secrets_and_addresses_are_sufficient(self) -> None:
        settings = Settings.from_env(COMPLETE)
        assert (settings.host, settings.port) == ("127.0.0.1", 4102)
        assert settings.stage is Stage.PRODUCTION
        assert settings.introspection is False
        assert settings.event_groups == declared().consumers_of("tweets")

    def test_development_allows_introspection(self) -> None:
        assert Settings.from_env({**COMPLETE, "ENVIRONMENT": "development"}).introspection

    def test_introspection_can_be_enabled_in_production(self) -> None:
        assert Settings.from_env({**COMPLETE, "GRAPHQL_INTROSPECTION": "true"}).introspection

    def test_every_missing_setting_is_reported(self) -> None:
        with pytest.raises(SettingsError) as raised:
            Settings.from_env({"TWEETS_PORT": "http"})
        assert raised.value.problems == [
            "TWEETS_HOST is missing",
            "TWEETS_PORT must be a whole number of at least 1",
            "TWEETS_DATABASE_URL is missing",
            "REDIS_URL is missing",
            "ROUTER_SECRET is missing",
            "TWEETS_ROUTER_URL is missing",
            "TWEETS_AUTH_URL is missing",
            "TWEETS_AUTH_GRPC is missing",
        ]

    def test_undeclared_call_is_reported_in_one_line(self) -> None:
        addresses = Settings.from_env(COMPLETE).grpc_addresses
        with pytest.raises(TopologyError) as raised:
            addresses["notifier"]
        assert str(raised.value) == ('services.toml: [services.tweets] lacks calls = ["notifier"]')

    def test_repr_hides_secrets(self) -> None:
        shown = repr(Settings.from_env(COMPLETE))
        assert "secret@" not in shown
        assert "rrr" not in shown
