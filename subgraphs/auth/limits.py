"""How many attempts are allowed, and what counts as one network."""

import ipaddress
from dataclasses import dataclass, field
from datetime import timedelta

UNKNOWN_NETWORK = "unknown"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many attempts the use cases allow in each `period`."""

    mails_per_address: int = 5
    mails_per_network: int = 60
    codes_per_network: int = 60
    passwords_per_account: int = 10
    """By its signed-in user, by strangers together, and by each device that has signed in."""
    sign_ins_per_network: int = 100
    sign_ups_per_network: int = 150
    refreshes_per_network: int = 60
    """With an invalid refresh token. Those with a valid one are not limited."""
    look_ups_per_account: int = 600
    """Of users by their names, by one signed-in user."""
    period: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` attempts for `key` in any `period`, refilled evenly.

    A budget that was not used for a period admits `limit` attempts at once.
    """

    key: str = field(repr=False)
    """The kind and what it is about: "mail.address:ada@example.com". Never stored or logged."""
    limit: int
    period: timedelta

    def __post_init__(self) -> None:
        if self.limit < 1 or self.period <= timedelta():
            raise ValueError("a budget needs a positive limit and a positive period")

    @property
    def kind(self) -> str:
        """The part of the key before the colon, which may be shown."""
        return self.key.partition(":")[0]


def network_of(address: str) -> str:
    """Return the network whose attempts are counted together.

    That is an IPv4 address by itself, and the /64 of an IPv6 address, which is what one customer
    has at least. Text that is no address is "unknown".
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return UNKNOWN_NETWORK
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))
