"""The files with secrets that containers mount."""

from collections.abc import Mapping, Sequence

from chassis.topology import Service

FOLDER = "/secrets"
"""Where a container finds the files. The images have this folder, with its owner."""

COMMANDS: Mapping[str, Sequence[str]] = {"signing-keys": ("keys", "init")}
"""The command of the service that makes a file of this kind, unless it exists."""


def settings(service: Service) -> dict[str, str]:
    """Return the settings that name the files of a service in its containers."""
    return {name: f"{FOLDER}/{file}" for name, file in service.secret_file_names.items()}


def kubernetes_secret(service: Service) -> str:
    """Return the name of the Secret whose entries are the files."""
    return f"{service.name}-files"
