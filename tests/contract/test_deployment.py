"""Compose and Kubernetes run what the code needs, as the architecture draws it, and no more."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.laptop.environment import EXAMPLE
from deploy.laptop.environment import read as read_settings
from deploy.laptop.process import ROOT
from deploy.laptop.services import module, subgraph_names
from deploy.validate import OVERLAYS, install
from explorer.settings import Settings as ExplorerSettings
from notifier.settings import Settings as NotifierSettings
from router.edge import render
from subgraphs.auth.settings import Settings as AuthSettings
from subgraphs.tweets.settings import Settings as TweetsSettings
from tests.contract.manifests import (
    Object,
    Peer,
    VariableMissingError,
    compose,
    documents,
    environment,
    of_kind,
    peers,
    pod_template,
    pods,
    reaches,
)

COMPONENT = "app.kubernetes.io/component"
SETTINGS: Mapping[str, Any] = {
    "auth": AuthSettings,
    "tweets": TweetsSettings,
    "notifier": NotifierSettings,
    "explorer": ExplorerSettings,
}

# -- the arrows of the architecture, once ----------------------------------------------------------

BETWEEN = {
    *{("edge", "router", 4100), ("edge", "auth", 4101), ("edge", "tweets", 4102)},
    *{("edge", "notifier", 4103), ("edge", "explorer", 4104)},
    *{("router", "auth", 4101), ("router", "tweets", 4102), ("router", "notifier", 4103)},
    *{("tweets", "auth", 4111), ("notifier", "auth", 4111), ("prober", "edge", 4000)},
}
DATABASES = {
    *{"auth", "auth-migrate", "auth-purge", "tweets", "tweets-migrate"},
    *{"notifier", "notifier-migrate", "notifier-purge"},
}
STREAMS = {"auth", "tweets", "notifier"}
SCRAPED = {
    *{("auth", 4101), ("tweets", 4102), ("notifier", 4103), ("router", 4100), ("prober", 4190)}
}
TRACED = {"edge", "router", "auth", "tweets", "notifier"}

WORLD = Peer("world", "203.0.113.9")
OUTSIDE = [
    WORLD,
    Peer("stranger", "10.244.1.1", "default", {"app.kubernetes.io/name": "auth"}),
    Peer("impostor", "10.244.1.2", "default", {"app.kubernetes.io/name": "prometheus"}),
    Peer("prometheus", "10.244.2.1", "observability", {"app.kubernetes.io/name": "prometheus"}),
    Peer("otel", "10.244.2.2", "observability", {"app.kubernetes.io/name": "otel-collector"}),
    Peer("dns", "10.244.3.1", "kube-system", {"k8s-app": "kube-dns"}),
    Peer("neighbour", "10.244.0.9", "chirp", {"app.kubernetes.io/name": "neighbour"}),
    Peer("vpc", "10.110.0.7"),
    Peer("elsewhere-in-private", "10.120.0.7"),
]
SERVERS: Mapping[str, Mapping[str, tuple[str, int]]] = {
    "local": {"postgres": ("postgres", 5432), "redis": ("redis", 6379), "smtp": ("mailpit", 1025)},
    "digitalocean": {"postgres": ("vpc", 25060), "redis": ("vpc", 25061), "smtp": ("world", 587)},
}


def arrows(overlay: str, inside: set[str]) -> set[tuple[str, str, int]]:
    servers = SERVERS[overlay]
    everyone = inside | {peer.name for peer in OUTSIDE}
    outside = {peer.name for peer in OUTSIDE if peer.namespace != "chirp"}
    return {
        *BETWEEN,
        *((client, *servers["postgres"]) for client in DATABASES),
        *((client, *servers["redis"]) for client in STREAMS),
        ("notifier", *servers["smtp"]),
        *(("prometheus", *target) for target in SCRAPED),
        *((client, "otel", 4318) for client in TRACED),
        *((client, "edge", 4000) for client in outside),
        *((client, "dns", 53) for client in everyone - outside),
    }


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    install()
    return str(request.param)


@pytest.fixture(scope="module")
def rendered(overlay: str) -> list[Object]:
    return documents(overlay)


def connections(
    policies: list[Object], everyone: list[Peer], ports: set[int]
) -> set[tuple[str, str, int]]:
    return {
        (source.name, target.name, port)
        for source in everyone
        for target in everyone
        for port in ports
        if source != target and "chirp" in {source.namespace, target.namespace}
        if reaches(policies, source, target, port)
    }


class TestNetworkPolicies:
    def test_they_allow_the_arrows_and_no_other(self, overlay: str, rendered: list[Object]) -> None:
        policies = list(of_kind(rendered, "NetworkPolicy"))
        inside = peers(rendered)
        expected = arrows(overlay, {peer.name for peer in inside})
        ports = {port for _, _, port in expected} | {22, 443, 4317, 8025}
        assert connections(policies, [*inside, *OUTSIDE], ports) == expected

    def test_each_of_them_is_needed(self, overlay: str, rendered: list[Object]) -> None:
        policies = list(of_kind(rendered, "NetworkPolicy"))
        everyone = {peer.name: peer for peer in [*peers(rendered), *OUTSIDE]}
        expected = arrows(overlay, {peer.name for peer in peers(rendered)})
        for missing in policies:
            others = [policy for policy in policies if policy is not missing]
            if missing["metadata"]["name"] == "default-deny":
                assert reaches(others, everyone["stranger"], everyone["neighbour"], 22)
            else:
                assert not all(
                    reaches(others, everyone[source], everyone[target], port)
                    for source, target, port in expected
                ), missing["metadata"]["name"]


def names_read(settings: Any, given: Mapping[str, str]) -> set[str]:
    """What the service looks for in its environment. Raises SettingsError if it does not fit."""

    read = set()

    class Recorder(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return super().get(name, default)

    settings.from_env(Recorder(given))
    return read


READ_ELSEWHERE = {"PGSSLMODE", "PGSSLROOTCERT"}  # by asyncpg


def assert_fits(service: str, given: Mapping[str, str]) -> None:
    read = names_read(SETTINGS[service], given)
    decided = {name for name in read_settings(EXAMPLE) if name in read}
    assert decided <= set(given), "what .env.example asks to be decided is not"
    unread = set(given) - read - READ_ELSEWHERE
    assert not unread, "nobody reads this"
    assert given[f"{service.upper()}_HOST"] == "0.0.0.0"


@pytest.fixture(scope="module")
def made_secrets(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What `deploy/secrets.sh` writes into an empty directory."""
    root = tmp_path_factory.mktemp("secrets")
    (root / "deploy").mkdir()
    script = root / "deploy" / "secrets.sh"
    script.write_text((ROOT / "deploy" / "secrets.sh").read_text())
    subprocess.run(["sh", script], check=True, capture_output=True)
    return read_settings(root / ".env")


SECRETS_MADE_ELSEWHERE = {
    "AUTH_DATABASE_URL": "postgresql://u:p@db:25060/d",
    "TWEETS_DATABASE_URL": "postgresql://u:p@db:25060/d",
    "NOTIFIER_DATABASE_URL": "postgresql://u:p@db:25060/d",
    "REDIS_URL": "rediss://u:p@redis:25061/0",
}


class TestEnvironment:
    @pytest.mark.parametrize("service", subgraph_names())
    @pytest.mark.parametrize("suffix", ["", "-migrate", "-purge"])
    def test_in_kubernetes_a_service_has_what_its_settings_need(
        self,
        overlay: str,
        rendered: list[Object],
        service: str,
        suffix: str,
        made_secrets: Mapping[str, str],
    ) -> None:
        template = pods(rendered).get(service + suffix)
        if template is None:
            assert (service, suffix) == ("tweets", "-purge"), "only tweets has nothing to purge"
            return
        container = template["spec"]["containers"][0]
        given = environment(rendered, container)
        if overlay != "local":
            referenced = {s["secretRef"]["name"] for s in container["envFrom"] if "secretRef" in s}
            assert referenced == {service}
            known = {**made_secrets, **SECRETS_MADE_ELSEWHERE}
            given |= {name: known[name] for name in keys_of_secret(service)}
        assert_fits(service, given)

    @pytest.mark.parametrize("service", subgraph_names())
    @pytest.mark.parametrize("suffix", ["", "-migrate"])
    def test_in_compose_a_service_has_what_its_settings_need(
        self, service: str, suffix: str, made_secrets: Mapping[str, str]
    ) -> None:
        assert_fits(service, compose(made_secrets)["services"][service + suffix]["environment"])

    def test_the_edge_is_told_where_everything_is(
        self, rendered: list[Object], made_secrets: Mapping[str, str]
    ) -> None:
        container = pods(rendered)["edge"]["spec"]["initContainers"][0]
        in_kubernetes = environment(rendered, container)
        in_compose = compose(made_secrets)["services"]["edge-config"]["environment"]
        services = {d["metadata"]["name"] for d in of_kind(rendered, "Service")}
        for given, hosts in (
            (in_kubernetes, services),
            (in_compose, set(compose(made_secrets)["services"])),
        ):
            named = {value for name, value in given.items() if name.endswith("_HOST")}
            assert named - {"0.0.0.0"} <= hosts
            assert "0.0.0.0" in render({**given, "ROUTER_SECRET": "s" * 32})

    def test_the_router_is_told_what_its_configuration_names(
        self, rendered: list[Object], made_secrets: Mapping[str, str]
    ) -> None:
        text = (ROOT / "router" / "router.yaml").read_text()
        named = set(re.findall(r"\$\{env\.(\w+)\}", text))
        router = pods(rendered)["router"]["spec"]["containers"][0]
        assert named <= set(environment(rendered, router))
        assert named <= set(compose(made_secrets)["services"]["router"]["environment"])

    def test_an_address_is_a_port_of_a_service(self, rendered: list[Object]) -> None:
        ports = {
            (service["metadata"]["name"], port["port"])
            for service in of_kind(rendered, "Service")
            for port in service["spec"]["ports"]
        }
        named = {
            (found["host"], int(found["port"] or 80))
            for settings in of_kind(rendered, "ConfigMap")
            for value in settings.get("data", {}).values()
            if (found := re.match(r"http://(?P<host>[\w-]+)(:(?P<port>\d+))?(/|$)", value))
            if found["host"] != "localhost"  # a person's browser
        }
        assert {host for host, _ in named} == {"edge", "auth", "tweets", "notifier"}
        assert named <= ports

    def test_compose_hands_the_edge_what_decides_about_traces(
        self, made_secrets: Mapping[str, str]
    ) -> None:
        wanted = {"TRACING_ENDPOINT": "http://collector:4318", "TRACING_PERCENT": "5"}
        given = compose({**made_secrets, **wanted})["services"]["edge-config"]["environment"]
        assert wanted.items() <= given.items()

    def test_without_its_secrets_compose_starts_nothing(
        self, made_secrets: Mapping[str, str]
    ) -> None:
        for name in made_secrets:
            with pytest.raises(VariableMissingError, match=name):
                compose({key: value for key, value in made_secrets.items() if key != name})


def keys_of_secret(service: str) -> list[str]:
    """What the Secret of that name holds: the same in every overlay, so the local one tells."""
    local = documents("local")
    container = pods(local)[service]["spec"]["containers"][0]
    reference = next(s["secretRef"]["name"] for s in container["envFrom"] if "secretRef" in s)
    secret = next(d for d in of_kind(local, "Secret") if d["metadata"]["name"] == reference)
    return list(secret["data"])


class TestPods:
    def test_nobody_is_root_or_writes_to_the_image(self, rendered: list[Object]) -> None:
        for name, template in pods(rendered).items():
            specification = template["spec"]
            assert specification["securityContext"]["runAsNonRoot"] is True, name
            assert specification["securityContext"]["runAsUser"] > 0, name
            seccomp = specification["securityContext"]["seccompProfile"]
            assert seccomp == {"type": "RuntimeDefault"}, name
            assert specification["automountServiceAccountToken"] is False, name
            for container in all_containers(specification):
                assert container["securityContext"] == {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                }, name
                assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name
                assert "memory" in container["resources"]["limits"], name

    def test_images_are_of_one_version_each(self, rendered: list[Object]) -> None:
        for name, template in pods(rendered).items():
            for container in all_containers(template["spec"]):
                _, _, version = container["image"].rpartition(":")
                assert re.search(r"\d|^local$", version), f"{name}: {container['image']}"

    def test_a_roll_out_waits_and_drains(self, rendered: list[Object]) -> None:
        for deployment in of_kind(rendered, "Deployment"):
            name = deployment["metadata"]["name"]
            if name in {"mailpit", "prober"}:
                continue
            assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0, name
            specification = deployment["spec"]["template"]["spec"]
            container = specification["containers"][0]
            assert {"readinessProbe", "livenessProbe"} <= container.keys(), name
            before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            given = environment(rendered, container)
            notice = int(given["SHUTDOWN_NOTICE_SECONDS"]) if name in SETTINGS else 0
            drain = 0 if name == "edge" else 25
            assert specification["terminationGracePeriodSeconds"] > before + notice + drain, name

    def test_before_the_services_only_migrations_have_our_images(
        self, rendered: list[Object]
    ) -> None:
        ours = {
            document["metadata"]["name"]: document["metadata"]["labels"].get(COMPONENT)
            for document in of_kind(rendered, "Deployment", "StatefulSet", "Job", "CronJob")
            if "chirp" in pod_template(document)["spec"]["containers"][0]["image"]
        }
        later = {name for name, component in ours.items() if component in {"service", "purge"}}
        assert {name for name, component in ours.items() if component == "purge"} == {
            *("auth-purge", "notifier-purge")
        }
        assert ours.keys() - later == {f"{name}-migrate" for name in subgraph_names()}

    def test_disruptions_and_load_are_provided_for(
        self, overlay: str, rendered: list[Object]
    ) -> None:
        ours = {d["metadata"]["name"] for d in of_kind(rendered, "Deployment")} - {
            "mailpit",
            "prober",
        }
        budgets = {d["metadata"]["name"] for d in of_kind(rendered, "PodDisruptionBudget")}
        scaled = {d["metadata"]["name"] for d in of_kind(rendered, "HorizontalPodAutoscaler")}
        assert budgets == ours
        assert scaled == (set() if overlay == "local" else ours - {"explorer"})

    def test_only_the_digitalocean_edge_faces_the_world(
        self, overlay: str, rendered: list[Object]
    ) -> None:
        types = {d["metadata"]["name"]: d["spec"].get("type") for d in of_kind(rendered, "Service")}
        public = {
            name: kind for name, kind in types.items() if kind in {"LoadBalancer", "NodePort"}
        }
        assert public == ({} if overlay == "local" else {"edge": "LoadBalancer"})

    def test_secrets_are_references(self, overlay: str, rendered: list[Object]) -> None:
        if overlay != "local":
            assert not list(of_kind(rendered, "Secret"))


def all_containers(specification: Object) -> Iterator[Object]:
    yield from specification["containers"]
    yield from specification.get("initContainers", [])


class TestCompose:
    def test_only_edge_mailbox_and_grafana_are_published(
        self, made_secrets: Mapping[str, str]
    ) -> None:
        services = compose(made_secrets)["services"]
        published = {name: s["ports"] for name, s in services.items() if "ports" in s}
        assert published == {
            "edge": ["127.0.0.1:4000:4000"],
            "mailpit": ["127.0.0.1:4180:8025"],
            "grafana": ["127.0.0.1:4200:3000"],
        }

    def test_what_is_mounted_and_built_is_there(self, made_secrets: Mapping[str, str]) -> None:
        stages = dockerfile_stages()
        document = compose(made_secrets)
        for name, service in document["services"].items():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                there = (
                    (ROOT / source).exists() if source[0] == "." else source in document["volumes"]
                )
                assert there, f"{name}: {volume}"
            if "build" in service:
                assert service["build"]["target"] in stages, name
            for other in service.get("depends_on", []):
                assert other in document["services"], name

    def test_a_service_waits_for_its_migration(self, made_secrets: Mapping[str, str]) -> None:
        services = compose(made_secrets)["services"]
        for name in subgraph_names():
            waits = services[name]["depends_on"][f"{name}-migrate"]
            assert waits == {"condition": "service_completed_successfully"}
            assert services[f"{name}-migrate"]["command"] == ["migrate"]


def dockerfile_stages() -> dict[str, list[str]]:
    """The instructions of each stage of the Dockerfile."""
    stages: dict[str, list[str]] = {}
    for line in Path(ROOT, "Dockerfile").read_text().replace("\\\n", " ").splitlines():
        if line.startswith("FROM"):
            stages[line.split()[-1]] = []
        elif line and not line.startswith("#") and stages:
            next(reversed(stages.values())).append(line)
    return stages


class TestDockerfile:
    @pytest.mark.parametrize("stage", dockerfile_stages())
    def test_what_a_stage_copies_is_there(self, stage: str) -> None:
        for line in dockerfile_stages()[stage]:
            instruction, *words = line.split()
            if instruction == "COPY" and not words[0].startswith("--from"):
                for source in words[:-1]:
                    assert list(ROOT.glob(source)), source

    @pytest.mark.parametrize("name", subgraph_names())
    def test_an_image_holds_one_service(self, name: str) -> None:
        copied = [line.split()[1] for line in dockerfile_stages()[name] if line.startswith("COPY")]
        folder = module(name).replace(".", "/")
        package = ["subgraphs/__init__.py"] if "/" in folder else []
        assert copied == [f"--from={name}-packages", "chassis", *package, folder]

    def test_releases_build_every_image(self) -> None:
        workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
        released = workflow["jobs"]["image"]["strategy"]["matrix"]["target"]
        overlay = ROOT / "deploy" / "kubernetes" / "overlays" / "digitalocean"
        images = yaml.safe_load((overlay / "kustomization.yaml").read_text())["images"]
        assert {f"chirp-{target}" for target in released} == {image["name"] for image in images}
        assert set(released) <= set(dockerfile_stages())
