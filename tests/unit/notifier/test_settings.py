"""The settings that are read from environment variables."""

from base64 import b64encode
from datetime import timedelta

import pytest

from chassis.settings import SettingsError, Stage
from notifier.mailer import Security
from notifier.settings import Settings
from tests.settings import addresses

COMPLETE = addresses("notifier") | {
    "NOTIFIER_DATABASE_URL": "postgresql://notifier:secret@db/notifier",
    "NOTIFIER_UNSUBSCRIBE_SECRET": "u" * 32,
    "ACCOUNT_MAIL_SECRET": "m" * 32,
    "REDIS_URL": "redis://:secret@redis/0",
    "ROUTER_SECRET": "r" * 32,
    "PUBLIC_URL": "https://chirp.example/",
    "MAIL_HOST": "smtp.example.com",
    "MAIL_FROM": "The Chirp Team <notifications@chirp.example>",
}

DKIM = {"MAIL_DKIM_SELECTOR": "mail", "MAIL_DKIM_DOMAIN": "chirp.example"}


def problems(**variables: str) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        Settings.from_env(COMPLETE | variables)
    return raised.value.problems


class TestUnsubscribeSecrets:
    def test_earlier_secrets_follow_the_current_one(self) -> None:
        given = {"NOTIFIER_UNSUBSCRIBE_PREVIOUS_SECRETS": f"{'v' * 32}, {'w' * 32}"}
        secrets = Settings.from_env(COMPLETE | given).unsubscribe_secrets
        assert secrets == ["u" * 32, "v" * 32, "w" * 32]

    def test_short_earlier_secret_is_refused(self) -> None:
        assert problems(NOTIFIER_UNSUBSCRIBE_PREVIOUS_SECRETS=f"{'v' * 32},short") == [
            "NOTIFIER_UNSUBSCRIBE_PREVIOUS_SECRETS has a secret shorter than 32 characters"
        ]


class TestFromEnv:
    def test_optional_settings_have_defaults(self) -> None:
        settings = Settings.from_env(COMPLETE)
        assert (settings.host, settings.port) == ("127.0.0.1", 4103)
        assert settings.stage is Stage.PRODUCTION
        assert settings.window == timedelta(minutes=10)
        assert settings.tweet_url == "https://chirp.example/tweets/{id}"
        assert (settings.smtp.security, settings.smtp.port) == (Security.STARTTLS, 587)
        assert settings.sender.display_name == "The Chirp Team"
        assert settings.signer is None

    def test_all_missing_settings_are_reported_at_once(self) -> None:
        with pytest.raises(SettingsError) as raised:
            Settings.from_env({})
        assert set(raised.value.problems) == {f"{name} is missing" for name in COMPLETE} | {
            "PUBLIC_URL must begin with https:// outside development"
        }

    def test_unencrypted_smtp_is_for_development_only(self) -> None:
        assert problems(MAIL_SECURITY="none") == [
            "MAIL_SECURITY must not be none outside development"
        ]
        lenient = COMPLETE | {"ENVIRONMENT": "development", "MAIL_SECURITY": "none"}
        assert Settings.from_env(lenient).smtp.port == 25

    def test_tls_has_another_default_port(self) -> None:
        assert Settings.from_env(COMPLETE | {"MAIL_SECURITY": "tls"}).smtp.port == 465

    @pytest.mark.parametrize(
        ("name", "value", "problem"),
        [
            ("MAIL_SECURITY", "ssl", "MAIL_SECURITY must be one of tls, starttls, none"),
            ("MAIL_FROM", "nobody", "MAIL_FROM is not a mail address"),
            ("MAIL_FROM", "a b <c d@e>", "MAIL_FROM is not a mail address"),
            ("MAIL_FROM", "Chirp <a@b.c>\nBcc: d@e.f", "MAIL_FROM is not a mail address"),
            (
                "PUBLIC_URL",
                "http://chirp.example",
                "PUBLIC_URL must begin with https:// outside development",
            ),
            ("NOTIFIER_TWEET_URL", "https://x/", "NOTIFIER_TWEET_URL must contain {id}"),
        ],
    )
    def test_invalid_value_is_reported(self, name: str, value: str, problem: str) -> None:
        assert problems(**{name: value}) == [problem]

    def test_repr_hides_secrets(self) -> None:
        shown = repr(Settings.from_env(COMPLETE | {"MAIL_PASSWORD": "hunter2"}))
        for secret in ("secret@", "uuu", "mmm", "rrr", ":secret", "hunter2"):
            assert secret not in shown


class TestDkim:
    def test_valid_key_makes_a_signer(self) -> None:
        key = b64encode(b"k" * 32).decode()
        assert Settings.from_env(COMPLETE | DKIM | {"MAIL_DKIM_KEY": key}).signer

    @pytest.mark.parametrize(
        "key", ["not base64 of anything", b64encode(b"k" * 31).decode(), "-----BEGIN NONSENSE-----"]
    )
    def test_unusable_key_is_refused(self, key: str) -> None:
        (problem,) = problems(**DKIM, MAIL_DKIM_KEY=key)
        assert problem.startswith("MAIL_DKIM_KEY cannot sign: ")
        assert key not in problem

    def test_selector_requires_domain_and_key(self) -> None:
        assert set(problems(MAIL_DKIM_SELECTOR="mail")) >= {
            "MAIL_DKIM_DOMAIN is missing",
            "MAIL_DKIM_KEY is missing",
        }
