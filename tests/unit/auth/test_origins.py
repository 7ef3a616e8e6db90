"""The origin of a request, bound to the work that it causes."""

import asyncio
from uuid import UUID

from starlette.types import ASGIApp, Receive, Scope, Send

from subgraphs.auth.domain import Device
from subgraphs.auth.origins import BoundOrigin, current_origin
from subgraphs.auth.security_events import Origin

SESSION = UUID(int=7)


async def origin_of(*headers: tuple[bytes, bytes], kind: str = "http") -> Origin:
    """Return the origin that a request has, as a task of it finds it."""
    found = []

    async def work() -> None:
        await asyncio.sleep(0)
        found.append(current_origin())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.create_task(work())

    bound: ASGIApp = BoundOrigin(app)

    async def receive() -> dict[str, object]:
        return {}

    async def send(_: object) -> None: ...

    await bound({"type": kind, "headers": [*headers]}, receive, send)
    return found[0]


def request(session_id: UUID, address: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"user-agent", "Grüße".encode()),
        (b"x-client-address", address.encode()),
        (b"x-auth-session-id", str(session_id).encode()),
    ]


class TestOrigin:
    async def test_origin_has_the_device_and_the_session_of_the_request(self) -> None:
        origin = await origin_of(*request(SESSION, "192.0.2.7"))
        assert origin == Origin(Device("Grüße", "192.0.2.7"), SESSION)

    async def test_anonymous_request_has_no_session(self) -> None:
        assert await origin_of() == Origin(Device("", ""))

    async def test_session_that_is_no_id_is_left_out(self) -> None:
        assert (await origin_of((b"x-auth-session-id", b"nonsense"))).session_id is None

    async def test_first_of_two_headers_with_a_name_counts(self) -> None:
        headers = [(b"x-client-address", b"192.0.2.7"), (b"x-client-address", b"192.0.2.8")]
        assert (await origin_of(*headers)).device == Device("", "192.0.2.7")

    async def test_long_user_agent_is_cut(self) -> None:
        device = (await origin_of((b"user-agent", b"x" * 1000))).device
        assert device == Device("x" * 300, "")

    async def test_requests_at_once_have_their_own_origins(self) -> None:
        ids = [UUID(int=n) for n in range(1, 20)]
        origins = await asyncio.gather(*(origin_of(*request(i, f"::{i.int}")) for i in ids))
        assert [(o.session_id, o.device and o.device.address) for o in origins] == [
            (i, f"::{i.int}") for i in ids
        ]

    async def test_work_outside_of_a_request_has_no_origin(self) -> None:
        await origin_of(*request(SESSION, "192.0.2.7"))
        assert current_origin() == Origin()
        assert await origin_of(*request(SESSION, "192.0.2.7"), kind="lifespan") == Origin()
