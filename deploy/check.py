"""Runs the parts of `make check` side by side: `python -m deploy.check [--all] [PART …]`.

Each part is named when it ends, with its duration; its output is shown if it failed. The output of
the tests comes last, as pytest writes it. A part whose files are those with which it passed before
is left out, unless it is named or `--all` is given.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from chassis.topology import ROOT
from deploy.passed import Passed
from deploy.undeclared import undeclared

Command = Sequence[str]

PACKAGES = ROOT / "packages"
TESTS = "tests"
_POLL = 0.1  # seconds


@dataclass(frozen=True)
class Part:
    """A command, and the files and folders that its result depends on, if they are few."""

    command: Command
    reads: Sequence[str] = ()


_VALIDATED = ("Dockerfile", "docker-compose.yml", ".ci", ".github", "deploy", "stack")
_GUIDES = "tests/contract/test_guides.py"
_GUIDED = (
    *("docs/guides", "docs/roles.md", "docs/tutorial.md", "services.toml"),
    *("chassis", "deploy/scaffold", "packages", "subgraphs"),
    *("tests/conftest.py", "tests/guides.py", "tests/unit/fakes.py"),
    *("tests/contract/events", "tests/contract/test_events.py"),
)
"""What the guides are applied to: subgraphs that `make subgraph` writes, and their tests."""
_VALIDATORS = "tests/contract/test_validators.py"
_SPREAD = ("--numprocesses", "logical", "--dist", "loadfile")
"""One process for each core; a file's fixtures are made in one of them only."""
_OFFLINE = ("--ignore-glob=packages/*/conformance",)
"""Without the tests that install clients from npm."""


def parts() -> dict[str, Part]:
    """Return the parts by their names."""
    excluded = [f"--exclude=^{file.relative_to(ROOT)}$" for file in sorted(undeclared())]
    others = [f"--ignore={file}" for file in (_GUIDES, _VALIDATORS)]
    return {
        TESTS: Part(_python("pytest", "tests/unit", "tests/contract", *others, *_SPREAD)),
        "types": Part(_python("mypy", *excluded)),
        **{f"types of {folder.name}": _types_of(folder) for folder in sorted(PACKAGES.iterdir())},
        **{f"tests of {folder.name}": _tests_of(folder) for folder in sorted(PACKAGES.iterdir())},
        "manifests": Part(_python("deploy.validate"), _VALIDATED),
        "guides": Part(_python("pytest", _GUIDES), (*_GUIDED, _GUIDES)),
        "validators": Part(_python("pytest", _VALIDATORS), (*_VALIDATED, _VALIDATORS)),
        "format": Part(_python("ruff", "format", "--check", ".")),
        "lint": Part(_python("ruff", "check", ".")),
        "layers": Part([str(Path(sys.executable).with_name("lint-imports")), "--no-logo"]),
        "declaration": Part(_python("deploy.declaration")),
        "generated": Part(_python("deploy.generate", "--check")),
        "reference": Part(_python("deploy.reference", "--check")),
        "site": Part(_python("deploy.docs")),
        "schema changes": Part(_python("deploy.schema_changes")),
    }


def _python(*module: str) -> Command:
    return [sys.executable, "-m", *module]


def _types_of(package: Path) -> Part:
    """Return the part that checks the types of a package with its own settings."""
    command = ["sh", "-c", 'cd "$1" && exec "$2" -m mypy', "sh", str(package), sys.executable]
    return Part(command, [_path(package)])


def _tests_of(package: Path) -> Part:
    return Part(_python("pytest", _path(package), *_OFFLINE, *_SPREAD), [_path(package)])


def _path(folder: Path) -> str:
    return str(folder.relative_to(ROOT))


def run(commands: Mapping[str, Command], write: Callable[[str], object]) -> list[str]:
    """Run the commands side by side and return the names of those that failed."""
    failed: list[str] = []

    def run_part(name: str) -> None:
        started = time.monotonic()
        done = subprocess.run(
            commands[name],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - started
        if done.returncode:
            failed.append(name)
        state = f"failed\n{done.stdout}" if done.returncode else "ok"
        write(f"{name}: {seconds:.1f} s, {state}\n")

    others = [name for name in commands if name != TESTS]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # more at once take longer together
        if TESTS not in commands:
            list(pool.map(run_part, others))
            return failed
        with tempfile.NamedTemporaryFile() as output:
            tests = subprocess.Popen(
                commands[TESTS], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
            )
            # All others end, and are shown, before the first line of the tests is.
            list(pool.map(run_part, others))
            _follow(Path(output.name), tests, write)
            return failed + [TESTS] * bool(tests.returncode)


def _follow(file: Path, process: "subprocess.Popen[bytes]", write: Callable[[str], object]) -> None:
    """Write what the process has written to the file, and what it adds until it ends."""
    with file.open() as output:
        while process.poll() is None:
            write(output.read())
            time.sleep(_POLL)
        write(output.read())


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.check", description=__doc__)
    parser.add_argument("--all", action="store_true", help="run unchanged parts too")
    parser.add_argument("names", nargs="*", metavar="PART", help="run these parts only")
    options = parser.parse_args(arguments)
    known = parts()
    if unknown := set(options.names) - known.keys():
        print(f"Unknown: {', '.join(unknown)}. The parts are {', '.join(known)}.", file=sys.stderr)
        return 2
    passed = Passed({name: part.reads for name, part in known.items() if part.reads})
    chosen = options.names or [*known]
    if not options.all and not options.names:
        unchanged = [name for name in chosen if passed.is_unchanged(name)]
        chosen = [name for name in chosen if name not in unchanged]
        if unchanged:
            _write(f"unchanged since they passed: {', '.join(unchanged)}\n")
    failed = run({name: known[name].command for name in chosen}, _write)
    for name in set(chosen) - {*failed}:
        passed.record(name)
    if failed:
        print(f"make check failed at: {', '.join(failed)}", file=sys.stderr)
        return 1
    print("make check: everything passed")
    return 0


def _write(text: str) -> None:
    print(text, end="", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
