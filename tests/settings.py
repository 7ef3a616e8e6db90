"""Settings derived from the declaration of the services, for tests that start one service."""

from chassis.topology import declared


def addresses(name: str) -> dict[str, str]:
    """Return the service's address and the addresses of the services that it calls."""
    service = declared()[name]
    settings = {f"{service.prefix}HOST": "127.0.0.1", f"{service.prefix}PORT": str(service.port)}
    if service.grpc_port:
        settings[f"{service.prefix}GRPC_HOST"] = "127.0.0.1"
        settings[f"{service.prefix}GRPC_PORT"] = str(service.grpc_port)
    for owner in service.consumes:
        settings[service.owner_setting(owner)] = f"http://127.0.0.1:{declared()[owner].port}"
    for called in service.calls:
        settings[service.call_setting(called)] = f"127.0.0.1:{declared()[called].grpc_port}"
    return settings
