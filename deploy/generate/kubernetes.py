"""The services in the Kubernetes base: `deploy/kubernetes/base/services/`."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template

from chassis.topology import Service, Topology
from deploy.generate import secret_files
from deploy.generate.engine import Block, File, Output
from deploy.generate.router import ROUTER_PORT, address_setting

FOLDER = "deploy/kubernetes/base/services"
_KUBERNETES = "deploy/kubernetes"
_TEMPLATES = Path(__file__).with_name("templates")

USES_DATABASE, USES_REDIS, SENDS_MAIL = "uses-database", "uses-redis", "sends-mail"
SERVES_METRICS, SENDS_TRACES = "serves-metrics", "sends-traces"
"""Labels of pods; network policies allow connections by them."""


def outputs(topology: Topology) -> Sequence[Output]:
    """Return a file for each service, their settings, and the blocks with the project's name."""
    project = topology.project.name
    services = topology.services.values()
    namespace = f"namespace: {project}\n"
    part_of = f"labels:\n- pairs: {{app.kubernetes.io/part-of: {project}}}\n"
    secrets = [f"- {{name: {s.name}, envs: [secrets/{s.name}.env]}}\n" for s in topology.subgraphs]
    secrets += map(_secret_of_files, (s for s in services if s.secret_files))
    return [
        *(File(f"{FOLDER}/{s.name}.yaml", _manifests(s)) for s in services),
        File(f"{FOLDER}/kustomization.yaml", _kustomization(topology)),
        Block(f"{_KUBERNETES}/base/namespace.yaml", "namespace", f"name: {project}\n"),
        Block(f"{_KUBERNETES}/base/kustomization.yaml", "project", namespace + part_of),
        Block(f"{_KUBERNETES}/overlays/local/kustomization.yaml", "project", namespace),
        Block(f"{_KUBERNETES}/overlays/digitalocean/kustomization.yaml", "project", namespace),
        Block(f"{_KUBERNETES}/overlays/local/kustomization.yaml", "secrets", "".join(secrets)),
    ]


def filled(template: str, values: dict[str, object]) -> str:
    """Return a file of `templates/` with the values filled in."""
    return Template((_TEMPLATES / f"{template}.yaml").read_text()).substitute(values)


# -- the objects of a service ----------------------------------------------------------------------


def _manifests(service: Service) -> str:
    return "---\n".join(_documents(service))


def _documents(service: Service) -> Iterator[str]:
    name = service.name
    ports = {"http": service.port} | ({"grpc": service.grpc_port} if service.grpc_port else {})
    scales = service.replicas.min < service.replicas.max
    values = {
        "name": name,
        "labels": _labels(service),
        **_mounts(service),
        "sources": _sources(service),
        "replicas": "" if scales else f"  replicas: {service.replicas.min}\n",
        "least": service.replicas.min,
        "most": service.replicas.max,
        "cpu": service.resources.cpu,
        "memory": service.resources.memory,
        "memory_limit": service.resources.memory_limit,
        "container_ports": _flow(f"{{name: {k}, containerPort: {p}}}" for k, p in ports.items()),
        "service_ports": _flow(
            f"{{name: {key}, port: {port}, targetPort: {key}}}" for key, port in ports.items()
        ),
    }
    yield filled("deployment", values)
    if service.is_subgraph:  # only the edge uses a page, and the edge addresses pods
        yield filled("service", values)
    yield filled("pods", values)
    if scales:
        yield filled("autoscaler", values)
    yield filled("disruption", values)
    if service.database:
        labels = {"labels": _job_labels(service, "migrate")}
        yield filled("migration", values | labels)
    for command, schedule in service.cron.items():
        job = {"command": command, "schedule": schedule, "labels": _job_labels(service, command)}
        yield filled("cron", values | job)


def _flow(items: Iterator[str]) -> str:
    return f"[{', '.join(items)}]"


def _labels(service: Service) -> str:
    marks = {
        USES_DATABASE: service.database,
        USES_REDIS: service.uses_redis,
        SENDS_MAIL: service.sends_mail,
        SERVES_METRICS: service.is_subgraph,
        SENDS_TRACES: service.is_subgraph,
    }
    return _label_text(service.name, [mark for mark, holds in marks.items() if holds])


def _job_labels(service: Service, command: str) -> str:
    return _label_text(f"{service.name}-{command}", [USES_DATABASE] if service.database else [])


def _label_text(name: str, marks: Sequence[str]) -> str:
    return ", ".join([f"app.kubernetes.io/name: {name}", *(f'{mark}: "true"' for mark in marks)])


def _sources(service: Service) -> str:
    names = {
        "shared-settings": True,
        "database-settings": service.database,
        "mail-settings": service.sends_mail,
        service.name: True,
    }
    sources = [f"{{configMapRef: {{name: {name}}}}}" for name, holds in names.items() if holds]
    if service.is_subgraph:
        sources.append(f"{{secretRef: {{name: {service.name}}}}}")
    return _flow(iter(sources))


def _mounts(service: Service) -> dict[str, str]:
    """Return the mount and the volume of the files with secrets; empty if there is none."""
    if not service.secret_files:
        return {"secret_mount": "", "secret_volume": ""}
    # 288 is 0440. The group is that of the pod.
    secret = f"{{secretName: {secret_files.kubernetes_secret(service)}, defaultMode: 288}}"
    return {
        "secret_mount": f", {{name: secrets, mountPath: {secret_files.FOLDER}, readOnly: true}}",
        "secret_volume": f", {{name: secrets, secret: {secret}}}",
    }


def _secret_of_files(service: Service) -> str:
    """Return the generator of the Secret, whose name stays: no roll-out follows a change."""
    name = secret_files.kubernetes_secret(service)
    files = ", ".join(f"secrets/{name}/{file}" for file in service.secret_file_names.values())
    return f"- {{name: {name}, files: [{files}], options: {{disableNameSuffixHash: true}}}}\n"


# -- settings --------------------------------------------------------------------------------------


def _kustomization(topology: Topology) -> str:
    services = topology.services.values()
    maps = {service.name: _settings(topology, service) for service in services}
    # Headless Services, because the edge balances and checks pods itself.
    maps["edge-services"] = [
        setting
        for s in services
        for setting in (f"{s.prefix}HOST={s.name}-pods", f"{s.prefix}PORT={s.port}")
    ]
    maps["router-subgraphs"] = [
        f"{address_setting(s)}=http://{s.name}:{s.port}/graphql" for s in topology.subgraphs
    ]
    text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n"
    text += "".join(f"- {service.name}.yaml\n" for service in services)
    text += "- network-policies.yaml\n\nconfigMapGenerator:\n"
    for name, settings in maps.items():
        text += f"- name: {name}\n  literals:\n"
        text += "".join(f"  - {json.dumps(setting)}\n" for setting in settings)
    return text


def _settings(topology: Topology, service: Service) -> list[str]:
    prefix = service.prefix
    settings = {f"{prefix}HOST": "0.0.0.0", f"{prefix}PORT": str(service.port)}  # noqa: S104
    if service.grpc_port:
        settings |= {
            f"{prefix}GRPC_HOST": "0.0.0.0",  # noqa: S104
            f"{prefix}GRPC_PORT": str(service.grpc_port),
        }
    for owner in (topology[name] for name in service.consumes):
        settings[service.owner_setting(owner.name)] = f"http://{owner.name}:{owner.port}"
    if service.subscriptions:
        settings[service.router_setting] = f"http://router-pods:{ROUTER_PORT}/graphql"
    # A gRPC connection stays open, so the client balances its calls over the pods itself.
    for called in (topology[name] for name in service.calls):
        settings[service.call_setting(called.name)] = f"{called.name}-pods:{called.grpc_port}"
    settings |= secret_files.settings(service)
    settings |= service.kubernetes
    return [f"{name}={value}" for name, value in settings.items()]
