"""The reader of the laptop's mailbox."""

from collections.abc import Callable

import httpx
import pytest

from client.mailbox import Mailbox


def mailbox(answer: Callable[[httpx.Request], httpx.Response]) -> Mailbox:
    transport = httpx.MockTransport(answer)
    return Mailbox(httpx.Client(transport=transport, base_url="http://mailbox"))


def refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


class TestWaitUntilUp:
    def test_refused_connections_are_waited_out(self) -> None:
        refusals = [refuse, refuse]

        def answer(request: httpx.Request) -> httpx.Response:
            return refusals.pop()(request) if refusals else httpx.Response(200, json=[])

        mailbox(answer).wait_until_up(10)
        assert refusals == []

    def test_mailbox_that_never_answers_is_a_timeout(self) -> None:
        with pytest.raises(TimeoutError):
            mailbox(refuse).wait_until_up(0)

    def test_mailbox_that_answers_is_up(self) -> None:
        assert mailbox(lambda _: httpx.Response(200, json=[])).is_up
        assert not mailbox(refuse).is_up
