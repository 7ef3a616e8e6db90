"""The settings file is made once and added to, and nothing in it is overwritten."""

import stat
from pathlib import Path

import pytest

from chassis.topology import declared
from stack.environment import prepare
from stack.process import ROOT
from subgraphs.auth import key_file

KEYS = {"AUTH_SIGNING_KEYS_FILE": "made-elsewhere"}
"""Given, because generating signing keys starts a process."""


class TestPrepare:
    def test_secrets_are_fresh_and_only_their_owner_can_read_them(self, tmp_path: Path) -> None:
        first = prepare(tmp_path / "a", KEYS)
        second = prepare(tmp_path / "b", KEYS)
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
        for name in ("ROUTER_SECRET", "AUTH_REFRESH_SECRET", "AUTH_DATABASE_URL", "REDIS_URL"):
            assert len(first[name]) >= 32
            assert first[name] != second[name]

    def test_secret_that_services_share_is_written_once(self, tmp_path: Path) -> None:
        file = tmp_path / "env"
        settings = prepare(file, KEYS)
        shared = f"ACCOUNT_MAIL_SECRET={settings['ACCOUNT_MAIL_SECRET']}"
        lines = file.read_text().splitlines()
        assert [x for x in lines if x.startswith("ACCOUNT_MAIL_SECRET")] == [shared]

    @pytest.mark.needs("tweets", "notifier")
    def test_each_service_has_its_own_database(self, tmp_path: Path) -> None:
        settings = prepare(tmp_path / "env", KEYS)
        assert settings["AUTH_DATABASE_URL"].startswith("postgresql://auth:")
        assert settings["TWEETS_DATABASE_URL"].endswith("@127.0.0.1:4132/tweets")

    @pytest.mark.needs("tweets", "notifier")
    def test_addresses_of_other_services_follow_their_ports(self, tmp_path: Path) -> None:
        settings = prepare(tmp_path / "env", KEYS | {"AUTH_GRPC_PORT": "5011"})
        assert settings["TWEETS_AUTH_GRPC"] == "127.0.0.1:5011"
        assert settings["NOTIFIER_AUTH_GRPC"] == "127.0.0.1:5011"

    def test_file_with_signing_keys_is_made_once_for_its_owner_only(self, tmp_path: Path) -> None:
        made = Path(prepare(tmp_path / "env", {})["AUTH_SIGNING_KEYS_FILE"])
        ring = key_file.read(made)
        assert made == tmp_path / ".secrets" / "auth-signing-keys"
        assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700
        prepare(tmp_path / "env", {})
        assert key_file.read(made).signing.id == ring.signing.id
        assert ring.signing.serialize() not in (tmp_path / "env").read_text()

    def test_second_call_changes_nothing(self, tmp_path: Path) -> None:
        file = tmp_path / "env"
        first = prepare(file, KEYS)
        text = file.read_text()
        assert prepare(file, KEYS) == first
        assert file.read_text() == text

    def test_existing_values_and_lines_stay(self, tmp_path: Path) -> None:
        file = tmp_path / "env"
        file.write_text("# mine\nAUTH_PORT=5001\nPOSTGRES_PORT=5999\nOTHER=x=y\n")
        settings = prepare(file, KEYS)
        assert (settings["AUTH_PORT"], settings["OTHER"]) == ("5001", "x=y")
        assert ":5999/" in settings["AUTH_DATABASE_URL"]
        assert file.read_text().startswith(
            "# mine\nAUTH_PORT=5001\nPOSTGRES_PORT=5999\nOTHER=x=y\n"
        )

    def test_environment_overrides_the_file_and_is_not_written(self, tmp_path: Path) -> None:
        file = tmp_path / "env"
        settings = prepare(file, KEYS | {"ROUTER_SECRET": "from-outside", "EDGE_PORT": "4999"})
        assert (settings["ROUTER_SECRET"], settings["EDGE_PORT"]) == ("from-outside", "4999")
        assert "from-outside" not in file.read_text()
        assert "made-elsewhere" not in file.read_text()

    def test_comments_of_the_example_are_kept(self, tmp_path: Path) -> None:
        prepare(tmp_path / "env", KEYS)
        text = (tmp_path / "env").read_text()
        for service in declared().services.values():
            file = ROOT / service.folder / "env.example"
            assert not file.exists() or file.read_text().splitlines()[0] in text
