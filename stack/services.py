"""The services of `services.toml`, as the local stack runs them."""

from collections.abc import Mapping

from chassis.topology import Service, declared

_MAIL_PREFIX = "MAIL_"


def subgraph_names() -> list[str]:
    """Return the services that are subgraphs, in the order of `services.toml`."""
    return [service.name for service in declared().subgraphs]


def module(name: str) -> str:
    """Return the module that `python -m` starts. Raises TopologyError."""
    return declared()[name].module


def settings_of(name: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings without those that only another service reads."""
    foreign = tuple(
        prefix
        for other in declared().services.values()
        if other.name != name
        for prefix in _prefixes(other)
    )
    own = _prefixes(declared()[name])
    secrets = {secret for s in declared().services.values() for secret in s.secrets}
    foreign_secrets = secrets - declared()[name].secrets.keys()
    return {
        key: value
        for key, value in settings.items()
        if (key.startswith(own) or not key.startswith(foreign)) and key not in foreign_secrets
    }


def _prefixes(service: Service) -> tuple[str, ...]:
    return (service.prefix, _MAIL_PREFIX) if service.sends_mail else (service.prefix,)
