"""`make dev` in a copy of the repository, whose files are edited while it runs."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from stack.router import Kind
from tests.fork import Fork, fork
from tests.stack import eventually, fresh_settings, router_kinds

pytestmark = [pytest.mark.timeout(600), pytest.mark.needs("tweets")]

PATIENCE = 120.0  # seconds; several builds may share the cores
QUERY = "class Query:\n"
FIELD = """    @strawberry.field(description="The answer that the test expects.")
    async def answer(self) -> str:
        return "{answer}"

"""
FIELD_OF_TWEETS = """    @strawberry.field(description="Tweets serves it with another type.")
    async def my_tweets(self) -> str:
        return ""

"""


class Developed:
    """A copy of the repository in which `make dev` runs."""

    def __init__(self, forked: Fork, folder: Path, kind: Kind) -> None:
        self._schema = forked.root / "subgraphs/auth/schema.py"
        self._before = self._schema.read_text()
        self._log = folder / "log"
        self._stack = [
            *(sys.executable, "-m", "stack"),
            *("--settings", str(folder / "settings.env"), "--data", str(folder / "data")),
        ]
        self._root = forked.root
        settings = fresh_settings(folder / "settings.env")
        self._url = f"http://127.0.0.1:{settings['EDGE_PORT']}"
        with self._log.open("w") as output:
            self._process = subprocess.Popen(
                [*self._stack, "dev", f"--router={kind}"],
                cwd=forked.root,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def edit(self, *fields: str) -> None:
        """Save auth's schema with further fields of `Query`."""
        self._schema.write_text(self._before.replace(QUERY, QUERY + "".join(fields), 1))

    def edit_page(self, title: str) -> None:
        """Save the page with another title."""
        page = self._root / "explorer" / "index.html"
        page.write_text(re.sub("<title>.*</title>", f"<title>{title}</title>", page.read_text()))

    def edit_declaration(self) -> None:
        """Save services.toml with another comment."""
        declaration = self._root / "services.toml"
        declaration.write_text(f"{declaration.read_text()}# An edit.\n")

    def wait_for_answer(self, answer: str) -> None:
        def is_answered() -> bool:
            return self.ask("{ answer }") == {"answer": answer}

        eventually(is_answered, f"{answer} is answered", PATIENCE)

    def wait_for_page(self, title: str) -> None:
        def is_served() -> bool:
            try:
                page = httpx.get(self._url, headers={"accept": "text/html"}, trust_env=False)
            except httpx.TransportError:
                return False
            return f"<title>{title}</title>" in page.text

        eventually(is_served, f"the page has the title {title}", PATIENCE)

    def wait_for_line(self, text: str) -> None:
        def is_shown() -> bool:
            assert self._process.poll() is None, self._log.read_text()
            return text in self._log.read_text()

        eventually(is_shown, f"{text!r} is shown", PATIENCE)

    def status(self, process: str) -> str:
        """Return the health that `make status` shows."""
        shown = subprocess.run(
            [*self._stack, "status"], cwd=self._root, capture_output=True, text=True, check=False
        )
        rows = [line.split() for line in shown.stdout.splitlines()]
        return next(row[2] for row in rows if row[0] == process)

    def end(self) -> int:
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(60)

    def ask(self, query: str) -> object:
        try:
            answer = httpx.post(f"{self._url}/graphql", json={"query": query}, trust_env=False)
            return answer.json().get("data")
        except (httpx.TransportError, ValueError):
            return None


@contextmanager
def developed(folder: Path, kind: Kind) -> Iterator[Developed]:
    (folder / "fork").mkdir()
    running = Developed(fork(folder / "fork"), folder, kind)
    try:
        running.wait_for_line("Watching the files")
        yield running
        assert running.end() == 0
    finally:
        running._process.kill()
        running._process.wait()


@pytest.mark.parametrize("kind", sorted({*router_kinds(), Kind.STAND_IN}))
class TestDev:
    def test_edits_are_served_and_mistakes_leave_the_rest_running(
        self, tmp_path: Path, kind: Kind
    ) -> None:
        with developed(tmp_path, kind) as running:
            running.edit(FIELD.format(answer="one"))
            running.wait_for_answer("one")
            running.edit(FIELD.format(answer="two"))
            running.wait_for_answer("two")

            running.edit(FIELD.format(answer="three"), "    def (\n")
            running.wait_for_line("SyntaxError")
            assert running.status("auth") == "-"
            assert running.status("tweets") == "healthy"
            running.edit(FIELD.format(answer="three"))
            running.wait_for_answer("three")

            running.edit(FIELD.format(answer="four"), FIELD_OF_TWEETS)
            running.wait_for_line("INVALID_FIELD_SHARING")
            running.wait_for_answer("four")
            assert running.ask("{ myTweets(first: 1) { edges { cursor } } }") != {"myTweets": ""}
            running.edit(FIELD.format(answer="five"))
            running.wait_for_answer("five")

            running.edit_declaration()
            running.wait_for_line("Starting again")
            running.wait_for_answer("five")
            assert {running.status(name) for name in ("edge", "router", "auth")} == {"healthy"}


@pytest.mark.needs("explorer")
class TestPage:
    def test_edit_of_a_source_rebuilds_the_page_while_the_api_answers(self, tmp_path: Path) -> None:
        with developed(tmp_path, Kind.STAND_IN) as running:
            running.edit_page("Edited once")
            running.wait_for_line("Building the explorer's page")
            assert running.ask("{ __typename }") == {"__typename": "Query"}
            running.wait_for_page("Edited once")
            running.edit_page("Edited twice")
            running.wait_for_page("Edited twice")
