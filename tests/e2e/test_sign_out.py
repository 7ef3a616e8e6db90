"""Sign-out with two real auth processes, with Valkey and without."""

from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter

import httpx
import pytest

from client.api import Account, run
from tests.stack import ON_ONE_ROUTER, RunningStack, another_process, eventually

# The auth processes are asked directly; a router only carries the mutation.
pytestmark = ON_ONE_ROUTER

SIGN_OUT = "mutation { signOut { sessionIds } }"


@pytest.fixture(scope="module")
def second(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of another auth process with the same database and Valkey."""
    with another_process(stack, "auth", tmp_path_factory.mktemp("second")) as url:
        yield url


def status(url: str, account: Account) -> int:
    """Return the status of a process's answer to the edge about the account's token."""
    answer = httpx.get(f"{url}/authorize/graphql", headers=account.headers, trust_env=False)
    return answer.status_code


@pytest.mark.asvs("7.4.1")
def test_other_process_refuses_the_token_after_sign_out(
    edge: httpx.Client,
    sign_up: Callable[[], Account],
    stack: RunningStack,
    second: str,
    show_figure: Callable[[str], None],
) -> None:
    took = []
    for _ in range(20):
        ada = sign_up()
        assert status(stack.auth_url, ada) == status(second, ada) == 200
        started = perf_counter()
        run(edge, SIGN_OUT, ada)
        took.append(perf_counter() - started)
        # The second process first: sign-out may have run at either.
        assert status(second, ada) == status(stack.auth_url, ada) == 401
    show_figure(
        f"signOut answers, and every process refuses the token, after {1000 * median(took):.1f} ms "
        f"(median of {len(took)}, two processes, {stack.kind})",
    )


def test_revoked_token_is_refused_and_a_live_one_passes_without_valkey(
    edge: httpx.Client, sign_up: Callable[[], Account], stack: RunningStack, second: str
) -> None:
    ada, grace, joan = sign_up(), sign_up(), sign_up()
    run(edge, SIGN_OUT, ada)
    assert status(second, joan) == status(second, grace) == 200
    stack.kill("valkey")
    try:
        run(edge, SIGN_OUT, grace)
        for url in (second, stack.auth_url):
            assert status(url, ada) == status(url, grace) == 401
            assert status(url, joan) == 200
    finally:
        stack.restart("valkey")
    for url in (second, stack.auth_url):
        assert status(url, grace) == 401
        eventually(lambda url=url: status(url, joan) == 200, "a live token passes")  # type: ignore[misc]
