"""Settings derived from the declaration of the services, for tests that start one service."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from chassis.topology import declared


def addresses(name: str) -> dict[str, str]:
    """Return the addresses of the service, of the services that it calls, and of the router."""
    service = declared()[name]
    settings = {f"{service.prefix}HOST": "127.0.0.1", f"{service.prefix}PORT": str(service.port)}
    if service.grpc_port:
        settings[f"{service.prefix}GRPC_HOST"] = "127.0.0.1"
        settings[f"{service.prefix}GRPC_PORT"] = str(service.grpc_port)
    for owner in service.consumes:
        settings[service.owner_setting(owner)] = f"http://127.0.0.1:{declared()[owner].port}"
    if service.subscriptions:
        settings[service.router_setting] = "http://127.0.0.1:4100/graphql"
    for called in service.calls:
        settings[service.call_setting(called)] = f"127.0.0.1:{declared()[called].grpc_port}"
    return settings


@cache
def file_with(text: str) -> str:
    """Return the path of a file with this text, for a setting that names one."""
    folder = Path(tempfile.mkdtemp(prefix="settings-"))
    atexit.register(shutil.rmtree, folder)
    (folder / "file").write_text(text)
    return str(folder / "file")
