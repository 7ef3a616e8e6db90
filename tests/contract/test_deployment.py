"""Settings, images, pods and network policies match the code and the architecture."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from chassis.topology import Service, Topology, declared
from deploy.dotenv import read as read_settings
from deploy.generate.images import Image, images
from deploy.try_policies import Pod, expected
from deploy.validate import OVERLAYS, install
from router.edge import render
from stack.environment import EXAMPLE, SERVICE_EXAMPLE
from stack.process import ROOT
from subgraphs.auth.grpc_server import OPTIONS
from tests.contract.manifests import (
    NAMESPACE,
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
PROJECT = declared().project.name
SERVICES = declared().services
SUBGRAPHS = [service.name for service in declared().subgraphs]
DATABASE_OWNERS = [service.name for service in declared().databases]

# -- the arrows of the architecture ----------------------------------------------------------------
# Hand-written for the services that we ship, independent of the generated policies. Those of other
# services are derived from their stanzas (`by_the_rule`).

SHIPPED = {"auth", "tweets", "notifier", "explorer"}
BETWEEN = {
    *{("edge", "router", 4100), ("edge", "auth", 4101), ("edge", "tweets", 4102)},
    *{("edge", "notifier", 4103), ("edge", "explorer", 4104)},
    *{("router", "auth", 4101), ("router", "tweets", 4102), ("router", "notifier", 4103)},
    # An event of a subscription is completed with the fields of other subgraphs.
    ("tweets", "router", 4100),
    *{("tweets", "auth", 4111), ("notifier", "auth", 4111), ("prober", "edge", 4000)},
    # A consumer fetches snapshots from the owner of the events.
    *{("tweets", "auth", 4101), ("notifier", "auth", 4101), ("notifier", "tweets", 4102)},
    ("auth", "notifier", 4103),
}
DATABASES = {
    *{"auth", "auth-migrate", "auth-purge", "tweets", "tweets-migrate"},
    *{"notifier", "notifier-migrate", "notifier-purge"},
}
STREAMS = {"auth", "tweets", "notifier"}
MAIL = {"notifier"}
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
    Peer(
        "otel-collector",
        "10.244.2.2",
        "observability",
        {"app.kubernetes.io/name": "otel-collector"},
    ),
    Peer("dns", "10.244.3.1", "kube-system", {"k8s-app": "kube-dns"}),
    Peer("neighbour", "10.244.0.9", NAMESPACE, {"app.kubernetes.io/name": "neighbour"}),
    Peer("vpc", "10.110.0.7"),
    Peer("elsewhere-in-private", "10.120.0.7"),
]
SERVERS: Mapping[str, Mapping[str, tuple[str, int]]] = {
    "local": {"postgres": ("postgres", 5432), "redis": ("redis", 6379), "smtp": ("mailpit", 1025)},
    "digitalocean": {"postgres": ("vpc", 25060), "redis": ("vpc", 25061), "smtp": ("world", 587)},
}


def arrows(overlay: str, inside: set[str]) -> set[tuple[str, str, int]]:
    """Return every connection that the overlay must allow, inside the namespace and across it."""
    servers = SERVERS[overlay]
    everyone = inside | {peer.name for peer in OUTSIDE}
    outside = {peer.name for peer in OUTSIDE if peer.namespace != NAMESPACE}
    ours = {
        *BETWEEN,
        *((client, *servers["postgres"]) for client in DATABASES),
        *((client, *servers["redis"]) for client in STREAMS),
        *((client, *servers["smtp"]) for client in MAIL),
        *(("prometheus", *target) for target in SCRAPED),
        *((client, "otel-collector", 4318) for client in TRACED),
    }
    removed = SHIPPED - set(SERVICES)
    return {
        *(arrow for arrow in ours if not {end.split("-")[0] for end in arrow[:2]} & removed),
        *by_the_rule(declared(), servers),
        *((client, "edge", 4000) for client in outside),
        *((client, "dns", 53) for client in everyone - outside),
    }


def by_the_rule(
    topology: Topology, servers: Mapping[str, tuple[str, int]]
) -> Iterator[tuple[str, str, int]]:
    """Yield the arrows of services that we do not ship, by the rules in docs/services.md."""
    for service in topology.services.values():
        for owner in (topology[name] for name in service.consumes):
            if {service.name, owner.name} - SHIPPED:
                yield (service.name, owner.name, owner.port)
        for called in (topology[name] for name in service.calls):
            if {service.name, called.name} - SHIPPED:
                yield (service.name, called.name, called.grpc_port or 0)
        if service.name in SHIPPED:
            continue
        if service.subscriptions:
            yield (service.name, "router", 4100)
        yield ("edge", service.name, service.port)
        if service.name in SUBGRAPHS:
            yield ("router", service.name, service.port)
            yield ("prometheus", service.name, service.port)
            yield (service.name, "otel-collector", 4318)
        yield from to_servers(service, servers)


def to_servers(
    service: Service, servers: Mapping[str, tuple[str, int]]
) -> Iterator[tuple[str, str, int]]:
    """Yield the arrows to the servers that a service uses."""
    if service.database:
        for client in (service.name, *(f"{service.name}-{job}" for job in JOBS[service.name])):
            yield (client, *servers["postgres"])
    if service.sends_mail:
        yield (service.name, *servers["smtp"])
    if service.name in SUBGRAPHS:
        yield (service.name, *servers["redis"])


JOBS = {
    name: [*(["migrate"] if service.database else []), *service.cron]
    for name, service in SERVICES.items()
}
"""The migration and the scheduled commands of each service."""


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
        if source != target and NAMESPACE in {source.namespace, target.namespace}
        if reaches(policies, source, target, port)
    }


class TestNetworkPolicies:
    def test_policies_allow_exactly_the_arrows(self, overlay: str, rendered: list[Object]) -> None:
        policies = list(of_kind(rendered, "NetworkPolicy"))
        inside = peers(rendered)
        expected = arrows(overlay, {peer.name for peer in inside})
        ports = {port for _, _, port in expected} | {22, 443, 4317, 8025}
        assert connections(policies, [*inside, *OUTSIDE], ports) == expected

    def test_attempts_in_a_cluster_expect_the_same_arrows(
        self, overlay: str, rendered: list[Object]
    ) -> None:
        """`python -m deploy.try_policies` derives what has to be open from services.toml."""
        inside = peers(rendered)
        pods = [Pod(p.name, p.namespace, p.labels, set(p.ports.values())) for p in inside]
        others = [Pod(p.name, p.namespace, p.labels) for p in OUTSIDE if p.namespace]
        dns = Pod("dns", "kube-system", ports=[53])
        targets = [*pods, dns, Pod("otel-collector", "observability", ports=[4318])]
        ports = {(target.name, port) for target in targets for port in target.ports}
        sources = {source.name for source in [*pods, *others]}
        assert expected(declared(), [*pods, *others], targets) == {
            arrow
            for arrow in arrows(overlay, {peer.name for peer in inside})
            if arrow[0] in sources and arrow[1:] in ports
        }

    def test_each_policy_is_needed(self, overlay: str, rendered: list[Object]) -> None:
        policies = list(of_kind(rendered, "NetworkPolicy"))
        everyone = {peer.name: peer for peer in [*peers(rendered), *OUTSIDE]}
        expected = arrows(overlay, {peer.name for peer in peers(rendered)})
        sends_mail = any(service.sends_mail for service in SERVICES.values())
        for missing in policies:
            if missing["metadata"]["name"] in {"to-smtp", "mailpit"} and not sends_mail:
                continue  # hand-written, for a service that sends mail
            others = [policy for policy in policies if policy is not missing]
            if missing["metadata"]["name"] == "default-deny":
                assert reaches(others, everyone["stranger"], everyone["neighbour"], 22)
            else:
                assert not all(
                    reaches(others, everyone[source], everyone[target], port)
                    for source, target, port in expected
                ), missing["metadata"]["name"]


def names_read(settings: Any, given: Mapping[str, str]) -> set[str]:
    """Return the variables that the service reads. Raises SettingsError."""

    read = set()

    class Recorder(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return super().get(name, default)

    settings.from_env(Recorder(given))
    return read


READ_ELSEWHERE = {"PGSSLMODE", "PGSSLROOTCERT"}  # by asyncpg
SHARED = set(re.findall(r"^(?:# )?(\w+)=", EXAMPLE.read_text(), re.MULTILINE))
"""The settings of the whole system. A service may have one that it does not read."""


def example_of(service: str) -> dict[str, str]:
    """Return the settings in the example files of a service, without those in comments."""
    own = ROOT / SERVICES[service].folder / SERVICE_EXAMPLE
    return read_settings(EXAMPLE) | (read_settings(own) if own.exists() else {})


def assert_fits(service: str, given: Mapping[str, str]) -> None:
    settings = import_module(f"{SERVICES[service].module}.settings").Settings
    read = names_read(settings, given)
    decided = {name for name in example_of(service) if name in read}
    assert decided <= set(given), "a setting of the examples is missing"
    unread = set(given) - read - READ_ELSEWHERE - SHARED
    assert not unread, "the service does not read this setting"
    assert given[f"{service.upper()}_HOST"] == "0.0.0.0"


@pytest.fixture(scope="module")
def made_secrets(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Run `deploy/secrets.sh` in an empty directory and return what it writes."""
    root = tmp_path_factory.mktemp("secrets")
    (root / "deploy").mkdir()
    for script in ("secrets.sh", "services.sh"):
        shutil.copy(ROOT / "deploy" / script, root / "deploy")
    subprocess.run(["sh", root / "deploy" / "secrets.sh"], check=True, capture_output=True)
    return read_settings(root / ".env")


SECRETS_MADE_ELSEWHERE = {
    **{f"{name.upper()}_DATABASE_URL": "postgresql://u:p@db:25060/d" for name in DATABASE_OWNERS},
    "REDIS_URL": "rediss://u:p@redis:25061/0",
}


class TestEnvironment:
    @pytest.mark.parametrize("service", SERVICES)
    def test_service_has_its_settings_on_kubernetes(
        self,
        overlay: str,
        rendered: list[Object],
        service: str,
        made_secrets: Mapping[str, str],
    ) -> None:
        templates = pods(rendered)
        for job in ("", *JOBS[service]):
            container = templates[f"{service}-{job}" if job else service]["spec"]["containers"][0]
            assert container.get("args", [""]) == [job]
            given = environment(rendered, container)
            if overlay != "local":
                sources = container["envFrom"]
                referenced = {s["secretRef"]["name"] for s in sources if "secretRef" in s}
                assert referenced == ({service} if service in SUBGRAPHS else set())
                known = {**made_secrets, **SECRETS_MADE_ELSEWHERE}
                given |= {name: known[name] for name in keys_of_secrets(service)}
            assert_fits(service, given)

    @pytest.mark.parametrize("service", SERVICES)
    def test_service_has_its_settings_in_compose(
        self, service: str, made_secrets: Mapping[str, str]
    ) -> None:
        services = compose(made_secrets)["services"]
        assert_fits(service, services[service]["environment"])
        if service in DATABASE_OWNERS:
            assert_fits(service, services[f"{service}-migrate"]["environment"])

    @pytest.mark.parametrize("service", SERVICES)
    def test_files_with_secrets_are_where_the_settings_say(
        self, rendered: list[Object], service: str, made_secrets: Mapping[str, str]
    ) -> None:
        """On Kubernetes from a Secret of a fixed name, so that a change reaches running pods."""
        in_compose = compose(made_secrets)["services"]
        template = pods(rendered)[service]["spec"]
        given = environment(rendered, template["containers"][0])
        files = declared()[service].secret_file_names
        mounts = {m["name"]: m for m in template["containers"][0]["volumeMounts"]}
        secrets = [v for v in template["volumes"] if "secret" in v]
        assert len(secrets) == bool(files)
        for setting, file in files.items():
            (secret,) = secrets
            assert given[setting] == f"{mounts[secret['name']]['mountPath']}/{file}"
            assert mounts[secret["name"]]["readOnly"]
            assert secret["secret"]["secretName"] == f"{service}-files"
            made = {d["metadata"]["name"]: d for d in of_kind(documents("local"), "Secret")}
            assert base64.b64decode(made[f"{service}-files"]["data"][file])

            reader, maker = in_compose[service], in_compose[file]
            (volume,) = maker["volumes"]
            assert reader["volumes"] == [f"{volume}:ro"]
            assert volume.partition(":")[0] in compose(made_secrets)["volumes"]
            path = f"{volume.partition(':')[2]}/{file}"
            assert reader["environment"][setting] == maker["environment"][setting] == path
            assert reader["depends_on"][file] == {"condition": "service_completed_successfully"}
            assert maker["image"] == reader["image"]

    def test_edge_has_the_address_of_every_service(
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

    def test_router_has_the_variables_of_its_configuration(
        self, rendered: list[Object], made_secrets: Mapping[str, str]
    ) -> None:
        text = (ROOT / "router" / "router.yaml").read_text()
        named = set(re.findall(r"\$\{env\.(\w+)\}", text))
        router = pods(rendered)["router"]["spec"]["containers"][0]
        assert named <= set(environment(rendered, router))
        assert named <= set(compose(made_secrets)["services"]["router"]["environment"])

    def test_every_address_is_the_port_of_a_service(self, rendered: list[Object]) -> None:
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
            if found["host"] != "localhost"  # for a browser
        }
        streaming = any(service.subscriptions for service in SERVICES.values())
        routers = {"router-pods"} if streaming else set()
        assert {host for host, _ in named} == {"edge", *SUBGRAPHS} | routers
        assert named <= ports

    def test_compose_passes_tracing_settings_to_the_edge(
        self, made_secrets: Mapping[str, str]
    ) -> None:
        wanted = {"TRACING_ENDPOINT": "http://collector:4318", "TRACING_PERCENT": "5"}
        given = compose({**made_secrets, **wanted})["services"]["edge-config"]["environment"]
        assert wanted.items() <= given.items()

    def test_links_and_issuer_follow_the_published_port(
        self, made_secrets: Mapping[str, str]
    ) -> None:
        services = compose({**made_secrets, "EDGE_PORT": "4001"})["services"]
        assert services["edge"]["ports"] == ["127.0.0.1:4001:4000"]
        given = services["auth"]["environment"]
        assert given["PUBLIC_URL"] == given["AUTH_ISSUER"] == "http://localhost:4001"

    def test_compose_refuses_to_start_without_a_secret(
        self, made_secrets: Mapping[str, str]
    ) -> None:
        for name in made_secrets:
            with pytest.raises(VariableMissingError, match=name):
                compose({key: value for key, value in made_secrets.items() if key != name})


def keys_of_secrets(service: str) -> list[str]:
    """Return the keys of a service's Secrets, from the overlay `local`; all have the same."""
    local = documents("local")
    container = pods(local)[service]["spec"]["containers"][0]
    names = {s["secretRef"]["name"] for s in container["envFrom"] if "secretRef" in s}
    secrets = (d for d in of_kind(local, "Secret") if d["metadata"]["name"] in names)
    return [key for secret in secrets for key in secret["data"]]


class TestPods:
    def test_containers_are_unprivileged_and_read_only(self, rendered: list[Object]) -> None:
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

    def test_images_have_versions(self, rendered: list[Object]) -> None:
        for name, template in pods(rendered).items():
            for container in all_containers(template["spec"]):
                _, _, version = container["image"].rpartition(":")
                assert re.search(r"\d|^local$", version), f"{name}: {container['image']}"

    def test_pods_drain_before_they_are_killed(self, rendered: list[Object]) -> None:
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
            notice = int(given["SHUTDOWN_NOTICE_SECONDS"]) if name in SERVICES else 0
            drain = 0 if name == "edge" else 25
            assert specification["terminationGracePeriodSeconds"] > before + notice + drain, name

    def test_connections_are_renewed_before_an_old_pod_stops(self, rendered: list[Object]) -> None:
        templates = pods(rendered)
        served = {
            name: templates[name]["spec"]["containers"][0]["lifecycle"]["preStop"]["sleep"][
                "seconds"
            ]
            for name in ("edge", "auth")
        }
        edge = (ROOT / "router" / "edge.yaml").read_text()
        [renewed] = re.findall(r"^ *max_connection_duration: (\d+)s$", edge, re.MULTILINE)
        assert int(renewed) < served["edge"]
        age = dict(OPTIONS)["grpc.max_connection_age_ms"] / 1000
        assert age * 1.1 < served["auth"]  # gRPC varies the age by a tenth

    def test_only_migrations_run_our_images_before_the_services(
        self, rendered: list[Object]
    ) -> None:
        ours = {
            document["metadata"]["name"]: document["metadata"]["labels"].get(COMPONENT)
            for document in of_kind(rendered, "Deployment", "StatefulSet", "Job", "CronJob")
            if PROJECT in pod_template(document)["spec"]["containers"][0]["image"]
        }
        later = {name for name, component in ours.items() if component in {"service", "cron"}}
        assert {name for name, component in ours.items() if component == "cron"} == {
            f"{name}-{command}" for name, service in SERVICES.items() for command in service.cron
        }
        assert ours.keys() - later == {f"{name}-migrate" for name in DATABASE_OWNERS}

    def test_deployments_have_disruption_budgets_and_autoscalers(
        self, overlay: str, rendered: list[Object]
    ) -> None:
        ours = {d["metadata"]["name"] for d in of_kind(rendered, "Deployment")} - {
            "mailpit",
            "prober",
        }
        budgets = {d["metadata"]["name"] for d in of_kind(rendered, "PodDisruptionBudget")}
        scaled = {d["metadata"]["name"] for d in of_kind(rendered, "HorizontalPodAutoscaler")}
        assert budgets == ours
        fixed = {s.name for s in SERVICES.values() if s.replicas.min == s.replicas.max}
        assert scaled == (set() if overlay == "local" else ours - fixed)

    def test_only_the_digitalocean_edge_is_public(
        self, overlay: str, rendered: list[Object]
    ) -> None:
        types = {d["metadata"]["name"]: d["spec"].get("type") for d in of_kind(rendered, "Service")}
        public = {
            name: kind for name, kind in types.items() if kind in {"LoadBalancer", "NodePort"}
        }
        assert public == ({} if overlay == "local" else {"edge": "LoadBalancer"})

    def test_overlays_other_than_local_contain_no_secret(
        self, overlay: str, rendered: list[Object]
    ) -> None:
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

    def test_mounts_build_targets_and_dependencies_exist(
        self, made_secrets: Mapping[str, str]
    ) -> None:
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

    @pytest.mark.parametrize(
        ("name", "dependencies"), [("router", SUBGRAPHS), ("edge", ["edge-config"])]
    )
    def test_process_restarts_when_what_it_reads_once_is_replaced(
        self, made_secrets: Mapping[str, str], name: str, dependencies: list[str]
    ) -> None:
        """The router looks up addresses, and the edge reads its configuration."""
        waits = compose(made_secrets)["services"][name]["depends_on"]
        assert all(waits[other]["restart"] for other in dependencies)

    def test_a_service_waits_for_its_migration(self, made_secrets: Mapping[str, str]) -> None:
        services = compose(made_secrets)["services"]
        for name in DATABASE_OWNERS:
            waits = services[name]["depends_on"][f"{name}-migrate"]
            assert waits == {"condition": "service_completed_successfully"}
            assert services[f"{name}-migrate"]["command"] == ["migrate"]

    def test_images_are_named_as_in_a_kind_cluster(self, made_secrets: Mapping[str, str]) -> None:
        """Compose names an image after the project and the service if it has no name."""
        document = compose(made_secrets)
        built = {
            service.get("image", f"{document['name']}-{name}")
            for name, service in document["services"].items()
            if "build" in service
        }
        assert built == {f"{PROJECT}-{image.name}" for image in images(declared())}


def dockerfile_stages() -> dict[str, list[str]]:
    """Return the instructions of each stage of the Dockerfile."""
    stages: dict[str, list[str]] = {}
    for line in Path(ROOT, "Dockerfile").read_text().replace("\\\n", " ").splitlines():
        if line.startswith("FROM"):
            stages[line.split()[-1]] = []
        elif line and not line.startswith("#") and stages:
            next(reversed(stages.values())).append(line)
    return stages


def parent(stage: str) -> str:
    """Return the parent of a stage: another stage, or the base image."""
    text = Path(ROOT, "Dockerfile").read_text()
    found = re.search(rf"^FROM (\S+) AS {stage}$", text, re.MULTILINE)
    assert found, f"the Dockerfile has no target {stage}"
    return found[1]


def copied(image: Image) -> list[tuple[list[str], str]]:
    """Return the sources and the destination of each COPY from the repository into an image."""
    stages = dockerfile_stages()
    found = []
    stage = image.target
    while stage in stages:
        for line in stages[stage]:
            words = re.sub(r"\$\{(\w+)\}", lambda m: image.arguments.get(m[1], m[0]), line).split()
            if words[0] == "COPY" and not words[1].startswith("--from"):
                found.append((words[1:-1], words[-1]))
        stage = parent(stage)
    return found


def entrypoint(image: Image) -> list[str]:
    """Return the entry point of an image."""
    stages = dockerfile_stages()
    stage = image.target
    while True:
        for line in stages[stage]:
            if line.startswith("ENTRYPOINT "):
                command: list[str] = json.loads(line.removeprefix("ENTRYPOINT "))
                return command
        stage = parent(stage)


IMAGES = {image.name: image for image in images(declared())}


class TestDockerfile:
    @pytest.mark.parametrize("name", IMAGES)
    def test_copied_files_exist_and_are_not_ignored(self, name: str) -> None:
        lines = (ROOT / ".dockerignore").read_text().splitlines()
        sent = [Path(line.removeprefix("!")) for line in lines if line.startswith("!")]
        for source in (source for sources, _ in copied(IMAGES[name]) for source in sources):
            assert list(ROOT.glob(source)), source
            assert any(
                Path(source).match(str(path)) or path in Path(source).parents for path in sent
            ), source

    def test_builder_without_buildkit_reaches_each_file(self) -> None:
        """It does not enter an ignored folder unless an exception spells its path out."""
        lines = (ROOT / ".dockerignore").read_text().splitlines()
        sent = [line.removeprefix("!") for line in lines if line.startswith("!")]
        for path in (Path(path) for path in sent if "*" in str(Path(path).parent)):
            assert any(str(parent) in sent for parent in path.parents), path

    @pytest.mark.parametrize("name", SERVICES)
    def test_image_contains_one_service(self, name: str) -> None:
        sources = {source for sources, _ in copied(IMAGES[name]) for source in sources}
        own = {source for source in sources if source.startswith(SERVICES[name].folder)}
        assert own
        schemas = {"router/api.graphql"} if name == "explorer" else set()
        if SERVICES[name].subscriptions:
            schemas = {"router/api.graphql", "router/supergraph.graphql"}
        assert sources - own == {"chassis", "services.toml"} | schemas

    @pytest.mark.parametrize("name", SERVICES)
    def test_packages_of_a_service_are_locked(self, name: str) -> None:
        assert (ROOT / "requirements" / f"{SERVICES[name].requirements}.txt").exists()

    @pytest.mark.parametrize("name", sorted(IMAGES.keys() - {"router"}))
    def test_image_contains_the_code_that_it_starts(self, name: str, tmp_path: Path) -> None:
        for sources, destination in copied(IMAGES[name]):
            for source in (path for pattern in sources for path in ROOT.glob(pattern)):
                copy_as_docker_does(source, tmp_path, destination)
        python = Path(sys.executable).parent
        addresses = {
            setting: value
            for part in ("edge", "router", *SERVICES)
            for setting, value in (
                (f"{part.upper()}_HOST", "127.0.0.1"),
                (f"{part.upper()}_PORT", "4000"),
            )
        }
        done = subprocess.run(
            [*entrypoint(IMAGES[name]), *([] if name == "edge-config" else ["--help"])],
            cwd=tmp_path,
            env={
                "PATH": f"{python}{os.pathsep}{os.environ['PATH']}",
                "MODULE": IMAGES[name].arguments.get("MODULE", ""),
                "ROUTER_SECRET": "s" * 32,
                **addresses,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout

    def test_releases_build_every_image(self) -> None:
        workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
        released = workflow["jobs"]["image"]["strategy"]["matrix"]["include"]
        overlay = ROOT / "deploy" / "kubernetes" / "overlays" / "digitalocean"
        overlaid = yaml.safe_load((overlay / "kustomization.yaml").read_text())["images"]
        assert [entry["image"] for entry in released] == [image["name"] for image in overlaid]
        assert {entry["target"] for entry in released} <= set(dockerfile_stages())


def copy_as_docker_does(source: Path, root: Path, destination: str) -> None:
    """Copy as COPY does: a file to a file or into a folder, or the content of a folder.

    Compiled modules are copied too, which saves time: without its source none is imported.
    """
    target = root / destination
    if source.is_dir():
        ignored = shutil.ignore_patterns("node_modules", "dist")
        shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
        return
    if destination.endswith(("/", ".")):
        target /= source.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
