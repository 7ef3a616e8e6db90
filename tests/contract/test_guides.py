"""The guides, applied to subgraphs that `make subgraph` writes: their code and their tests pass."""

import argparse
import shlex
from pathlib import Path

import pytest

from chassis.topology import ROOT, read
from subgraphs.auth import keys_cli
from tests.guides import edits, follow, python, shell, subgraphs

pytestmark = pytest.mark.needs("tweets")

GUIDES = {
    "docs/roles.md": ["tests/unit/likes"],
    "docs/tutorial.md": ["tests/unit/likes"],
    "docs/guides/scopes.md": ["tests/unit/likes"],
    "docs/guides/user-field.md": ["tests/unit/likes"],
    "docs/guides/events.md": [
        *("tests/unit/likes", "tests/unit/badges", "tests/contract/test_events.py")
    ],
    "docs/guides/resolver-tests.md": ["tests/unit/likes"],
}
"""The tests that a reader of each guide runs."""


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.adds(*subgraphs(page))) for page in GUIDES]
)
def test_guide_works_on_a_generated_subgraph(tmp_path: Path, page: str) -> None:
    follow(page, tmp_path)
    assert "make format\nmake check\n" in "".join(shell(page))
    python(tmp_path, "-m", "ruff", "format", ".")
    python(tmp_path, "-m", "ruff", "check", "--fix", ".")
    python(tmp_path, "-m", "ruff", "format", "--check", ".")
    python(tmp_path, "-m", "pytest", "-q", *GUIDES[page])


def test_every_guide_with_code_is_run() -> None:
    pages = {str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md")}
    assert {page for page in pages if any(edits(page))} == set(GUIDES)


@pytest.mark.adds(*subgraphs("docs/roles.md"))
def test_role_of_the_guide_is_declared(tmp_path: Path) -> None:
    follow("docs/roles.md", tmp_path)
    assert read(tmp_path).roles["moderator"] == {"likes:moderate"}


def test_commands_of_the_key_rotation_take_the_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All but the last, which waits for 40 minutes: tests/unit/auth/test_keys.py has that one."""
    listing, rotate, again, _ = shell("docs/guides/keys.md")
    parser = argparse.ArgumentParser(prog="python -m subgraphs.auth keys")
    keys_cli.add_commands(parser.add_subparsers())

    def run(command: str) -> list[str]:
        command = command.replace(".secrets/auth-signing-keys", str(tmp_path / "keys"))
        arguments = parser.parse_args(shlex.split(command.removeprefix(parser.prog)))
        arguments.run(arguments)
        return capsys.readouterr().out.splitlines()

    run(f"{parser.prog} init .secrets/auth-signing-keys")
    old, next_step = run(listing)
    assert next_step.startswith("next step: add")
    run(rotate)
    with pytest.raises(SystemExit, match="promote, is due"):
        run(again.removesuffix(' || echo "not yet"\n'))
    kept, new, next_step = run(listing)
    assert next_step.startswith("next step: promote")
    assert (kept, new.split()[1]) == (old, "next")
