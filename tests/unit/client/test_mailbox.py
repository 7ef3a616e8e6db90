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
        answers = [refuse, refuse, lambda _: httpx.Response(200, json=[])]
        mailbox(lambda request: answers.pop(0)(request)).wait_until_up(10)
        assert answers == []

    def test_mailbox_that_never_answers_is_a_timeout(self) -> None:
        with pytest.raises(TimeoutError):
            mailbox(refuse).wait_until_up(0)

    def test_mailbox_that_answers_is_up(self) -> None:
        assert mailbox(lambda _: httpx.Response(200, json=[])).is_up
        assert not mailbox(refuse).is_up
