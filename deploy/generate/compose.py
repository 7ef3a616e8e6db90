"""The services in `docker-compose.yml`."""

import json
from collections.abc import Sequence
from textwrap import indent

from chassis.topology import Service, Topology
from deploy.generate import secret_files
from deploy.generate.engine import Block, Output
from deploy.generate.images import image_of
from deploy.generate.router import ROUTER_PORT, address_setting

_PATH = "docker-compose.yml"
_COMPLETED = "{condition: service_completed_successfully}"
_HEALTHY = "{condition: service_healthy}"
_RESTARTED_WITH = "{condition: service_started, restart: true}"


def outputs(topology: Topology) -> Sequence[Output]:
    """Return the blocks of `docker-compose.yml`."""
    services = topology.services.values()
    blocks = {
        "project": f"name: {topology.project.name}\n",
        "edge addresses": "".join(
            f'{s.prefix}HOST: {s.name}\n{s.prefix}PORT: "{s.port}"\n' for s in services
        ),
        "edge waits": "".join(f"{s.name}: {_HEALTHY}\n" for s in topology.subgraphs),
        "router addresses": "".join(
            f"{address_setting(s)}: http://{s.name}:{s.port}/graphql\n" for s in topology.subgraphs
        ),
        "router waits": "".join(f"{s.name}: {_RESTARTED_WITH}\n" for s in topology.subgraphs),
        "services": "\n".join(_service(topology, service) for service in services),
        "passwords": "".join(
            f"{_password(s)}: {_secret(_password(s))}\n" for s in topology.databases
        ),
        "volumes": "".join(f"{_volume(s)}:\n" for s in services if s.secret_files),
    }
    return [Block(_PATH, name, text) for name, text in blocks.items()]


def _service(topology: Topology, service: Service) -> str:
    name, image = service.name, image_of(service)
    arguments = ", ".join(f"{key}: {json.dumps(value)}" for key, value in image.arguments.items())
    text = (
        f"{name}:\n"
        f"  <<: *service\n"
        f"  image: &{name}-image {topology.project.name}-{name}\n"
        f"  build: &{name}-build\n"
        f"    context: .\n"
        f"    target: {image.target}\n"
        f"    args: {{{arguments}}}\n"
        f"  networks: [{', '.join(_networks(service))}]\n"
        f"  environment: &{name}-settings\n"
    )
    text += indent(_settings(topology, service), "    ")
    if service.secret_files:
        text += f'  volumes: ["{_volume(service)}:{secret_files.FOLDER}:ro"]\n'
    if waits := _waits(service):
        text += "  depends_on:\n" + indent(waits, "    ")
    if service.database:
        text += (
            f"\n"
            f"{name}-migrate:\n"
            f"  <<: *migration\n"
            f"  image: *{name}-image\n"
            f"  build: *{name}-build\n"
            f"  environment: *{name}-settings\n"
        )
    for setting, file in service.secret_file_names.items():
        text += f"\n{_maker(service, setting, file)}"
    return text


def _maker(service: Service, setting: str, file: str) -> str:
    """Return the service that makes a file with a secret, once, and can change it later."""
    command = ", ".join(secret_files.COMMANDS[service.secret_files[setting]])
    return (
        f"{file}:\n"
        f"  <<: *container\n"
        f"  image: *{service.name}-image\n"
        f"  build: *{service.name}-build\n"
        f'  restart: "no"\n'
        f"  command: [{command}]\n"
        f"  network_mode: none\n"
        f"  healthcheck: {{disable: true}}\n"
        f'  volumes: ["{_volume(service)}:{secret_files.FOLDER}"]\n'
        f"  environment: {{<<: *stage, {setting}: {secret_files.FOLDER}/{file}}}\n"
    )


def _networks(service: Service) -> list[str]:
    wanted = {
        "services": True,
        "data": service.database or service.uses_redis,
        "mail": service.sends_mail,
    }
    return [name for name, is_wanted in wanted.items() if is_wanted]


def _waits(service: Service) -> str:
    waits = {
        **{f"{file}: {_COMPLETED}": True for file in service.secret_file_names.values()},
        f"{service.name}-migrate: {_COMPLETED}": service.database,
        f"redis: {_HEALTHY}": service.uses_redis,
        f"mailpit: {_HEALTHY}": service.sends_mail,
    }
    return "".join(f"{line}\n" for line, is_wanted in waits.items() if is_wanted)


def _settings(topology: Topology, service: Service) -> str:
    prefix = service.prefix
    # Each anchor holds those before it.
    shared = "mail" if service.sends_mail else "shared" if service.is_subgraph else "stage"
    lines = [
        f"<<: *{shared}",
        f"{prefix}HOST: 0.0.0.0",
        f'{prefix}PORT: "{service.port}"',
    ]
    if service.grpc_port:
        lines += [f"{prefix}GRPC_HOST: 0.0.0.0", f'{prefix}GRPC_PORT: "{service.grpc_port}"']
    for owner in (topology[name] for name in service.consumes):
        lines.append(f"{service.owner_setting(owner.name)}: http://{owner.name}:{owner.port}")
    if service.subscriptions:
        lines.append(f"{service.router_setting}: http://router:{ROUTER_PORT}/graphql")
    for called in (topology[name] for name in service.calls):
        lines.append(f"{service.call_setting(called.name)}: {called.name}:{called.grpc_port}")
    if service.database:
        database = f"{service.name}:{_secret(_password(service))}@postgres:5432/{service.name}"
        lines.append(f"{prefix}DATABASE_URL: postgresql://{database}")
    lines += [f"{name}: {_secret(name)}" for name in service.secrets]
    lines += [f"{name}: {path}" for name, path in secret_files.settings(service).items()]
    lines += [f"{name}: {json.dumps(value)}" for name, value in service.compose.items()]
    return "".join(f"{line}\n" for line in lines)


def _password(service: Service) -> str:
    return f"{service.prefix}DATABASE_PASSWORD"


def _volume(service: Service) -> str:
    return f"{service.name}-secrets"


def _secret(name: str) -> str:
    return f"${{{name}:?Run deploy/secrets.sh first}}"
