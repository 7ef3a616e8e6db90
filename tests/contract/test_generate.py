"""The generated files are valid and complete with one more service, and with two fewer."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from chassis.topology import FILE, read
from deploy.generate.outputs import outputs
from deploy.validate import validate
from stack.process import ROOT
from tests.contract.manifests import Object, Peer, of_kind, peers, pods, reaches, rendered

FILES = ("YAML (yamllint)", "Compose (its schema)")
MANIFESTS = "Kubernetes (kustomize, the schemas)"

AUTH = """
[project]
name = "wren"
title = "Wren"

[services.auth]
module = "subgraphs.auth"
kind = "subgraph"
port = 4101
grpc_port = 4111
database = true
publishes = true
cron = { purge = "17 3 * * *" }
secrets = { AUTH_REFRESH_SECRET = "random" }
secret_files = { AUTH_SIGNING_KEYS_FILE = "signing-keys" }
requirements = "auth"

[services.explorer]
module = "explorer"
kind = "page"
port = 4104
requirements = "chassis"
target = "explorer"
"""
TWEETS = """
[services.tweets]
module = "subgraphs.tweets"
kind = "subgraph"
port = 4102
database = true
subscriptions = true
publishes = true
consumes = ["auth"]
calls = ["auth"]
"""
LIKES = """
[services.likes]
module = "subgraphs.likes"
kind = "subgraph"
port = 4105
database = true
consumes = ["auth", "tweets"]
"""


def generate(root: Path, declaration: str) -> Path:
    """Generate for another declaration, in a copy of what deployment reads. Return the copy."""
    ignored = shutil.ignore_patterns("node_modules", "secrets", "__pycache__")
    for folder in (".github", ".ci", "deploy", "stack"):
        shutil.copytree(ROOT / folder, root / folder, ignore=ignored)
    for path in {output.path for output in outputs(read(ROOT))}:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, root / path)
    (root / FILE).write_text(declaration)
    subprocess.run([sys.executable, "-m", "deploy.generate", root], cwd=ROOT, check=True)
    return root


@pytest.fixture(scope="module")
def one_more(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the service `likes` as well."""
    return generate(tmp_path_factory.mktemp("more"), AUTH + TWEETS + LIKES)


@pytest.fixture(scope="module")
def auth_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with auth and the explorer only."""
    return generate(tmp_path_factory.mktemp("alone"), AUTH)


class TestOneMoreService:
    def test_the_validators_accept_its_files_and_manifests(self, one_more: Path) -> None:
        assert validate(one_more, [*FILES, MANIFESTS]) == {}

    def test_pods_connect_to_declared_targets_only(self, one_more: Path) -> None:
        found = rendered(one_more, "local")
        assert arrows(found, "likes") == {
            *{("edge", "likes", 4105), ("router", "likes", 4105)},
            *{("likes", "auth", 4101), ("likes", "tweets", 4102)},
            *{("likes", "postgres", 5432), ("likes", "redis", 6379)},
        }
        assert arrows(found, "likes-migrate") == {("likes-migrate", "postgres", 5432)}

    def test_compose_gives_it_its_addresses_and_the_router_its_own(self, one_more: Path) -> None:
        services = yaml.safe_load((one_more / "docker-compose.yml").read_text())["services"]
        settings = services["likes"]["environment"]
        assert settings["LIKES_AUTH_URL"] == "http://auth:4101"
        assert settings["LIKES_TWEETS_URL"] == "http://tweets:4102"
        assert services["router"]["environment"]["LIKES_URL"] == "http://likes:4105/graphql"
        assert services["edge-config"]["environment"]["LIKES_HOST"] == "likes"
        assert services["likes"]["build"]["args"]["REQUIREMENTS"] == "subgraph"
        assert "LIKES_DATABASE_PASSWORD" in services["postgres"]["environment"]


class TestFewerServices:
    def test_the_validators_accept_its_files(self, auth_alone: Path) -> None:
        assert validate(auth_alone, FILES) == {}

    def test_manifests_of_removed_services_are_removed(self, auth_alone: Path) -> None:
        folder = auth_alone / "deploy" / "kubernetes" / "base" / "services"
        assert sorted(path.name for path in folder.iterdir()) == [
            *("auth.yaml", "explorer.yaml", "kustomization.yaml", "network-policies.yaml")
        ]

    @pytest.mark.parametrize("overlay", ["local", "digitalocean"])
    def test_no_manifest_names_removed_services(self, auth_alone: Path, overlay: str) -> None:
        found = rendered(auth_alone, overlay)
        assert {"auth", "auth-migrate", "auth-purge", "explorer"} <= set(pods(found))
        text = yaml.safe_dump(found).lower()
        assert not [name for name in ("tweets", "notifier") if name in text]

    def test_every_object_is_in_the_namespace_of_the_project(self, auth_alone: Path) -> None:
        namespaces = {
            document["metadata"].get("namespace", document["metadata"]["name"])
            for document in rendered(auth_alone, "local")
        }
        assert namespaces == {"wren"}


def arrows(found: list[Object], name: str) -> set[tuple[str, str, int]]:
    """Return the connections from and to the pods of this name."""
    policies = list(of_kind(found, "NetworkPolicy"))
    inside = peers(found)
    pairs = [(a, b) for a in inside for b in inside if a != b and name in {a.name, b.name}]
    return {
        (source.name, target.name, port)
        for source, target in pairs
        for port in _ports(target)
        if reaches(policies, source, target, port)
    }


def _ports(peer: Peer) -> set[int]:
    return {*peer.ports.values(), 22, 443}
