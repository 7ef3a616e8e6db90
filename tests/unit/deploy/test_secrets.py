"""The secrets of Compose and of the Kubernetes overlay `local`."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from chassis.topology import declared
from deploy.dotenv import read
from stack.process import ROOT
from subgraphs.auth import key_file
from subgraphs.auth.keys import Step


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "deploy").mkdir()
    for script in ("secrets.sh", "services.sh"):
        shutil.copy(ROOT / "deploy" / script, tmp_path / "deploy")
    return tmp_path


def make(root: Path, *arguments: str) -> None:
    script = root / "deploy" / "secrets.sh"
    subprocess.run(["sh", script, *arguments], check=True, capture_output=True)


class TestSecrets:
    def test_secrets_are_new_and_readable_by_their_owner_only(self, root: Path) -> None:
        make(root)
        made = read(root / ".env")
        assert all(len(secret) == 64 for secret in made.values())
        assert len(set(made.values())) == len(made)
        assert stat.S_IMODE((root / ".env").stat().st_mode) == 0o600

    def test_existing_values_are_unchanged(self, root: Path) -> None:
        (root / ".env").write_text("EDGE_PORT=4001\nROUTER_SECRET=\nAUTH_REFRESH_SECRET=mine\n")
        make(root)
        first = read(root / ".env")
        make(root)
        assert read(root / ".env") == first
        assert (first["EDGE_PORT"], first["AUTH_REFRESH_SECRET"]) == ("4001", "mine")
        assert len(first["ROUTER_SECRET"]) == 64

    def test_each_service_gets_its_own_secrets_on_kubernetes(self, root: Path) -> None:
        make(root, "kubernetes")
        folder = root / "deploy" / "kubernetes" / "overlays" / "local" / "secrets"
        made = read(root / ".env")
        for service in declared().subgraphs:
            given = read(folder / f"{service.name}.env")
            own = {name: made[name] for name in ("ROUTER_SECRET", *service.secrets)}
            if service.database:
                password = made[f"{service.prefix}DATABASE_PASSWORD"]
                name = service.name
                url = f"postgresql://{name}:{password}@postgres:5432/{name}"
                own[f"{service.prefix}DATABASE_URL"] = url
            assert given == {**own, "REDIS_URL": given["REDIS_URL"]}
            assert made["REDIS_PASSWORD"] in given["REDIS_URL"]
            assert stat.S_IMODE((folder / f"{service.name}.env").stat().st_mode) == 0o600

    def test_file_with_signing_keys_is_made_once_for_its_owner_only(self, root: Path) -> None:
        make(root, "kubernetes")
        folder = root / "deploy" / "kubernetes" / "overlays" / "local" / "secrets"
        made = folder / "auth-files" / "auth-signing-keys"
        text = made.read_text()
        assert key_file.read(made).next_step() is Step.ADD
        assert stat.S_IMODE(made.stat().st_mode) == 0o600
        make(root, "kubernetes")
        assert made.read_text() == text

    def test_services_that_declare_the_same_secret_get_one_value(self, root: Path) -> None:
        services = root / "deploy" / "services.sh"
        given = "auth SHARED random\ntweets SHARED random\n"
        services.write_text(services.read_text().replace('secrets="', f'secrets="{given}'))
        make(root, "kubernetes")
        folder = root / "deploy" / "kubernetes" / "overlays" / "local" / "secrets"
        values = {read(folder / f"{name}.env")["SHARED"] for name in ("auth", "tweets")}
        assert values == {read(root / ".env")["SHARED"]}

    def test_new_service_is_added_and_others_are_unchanged(self, root: Path) -> None:
        make(root)
        first = read(root / ".env")
        services = root / "deploy" / "services.sh"
        script = services.read_text().replace('databases="', 'databases="guests ')
        services.write_text(script.replace('secrets="', 'secrets="guests GUESTS_SALT random\n'))
        make(root)
        second = read(root / ".env")
        assert first.items() <= second.items()
        assert second.keys() - first == {"GUESTS_DATABASE_PASSWORD", "GUESTS_SALT"}
