"""Runs the parts of `make check` side by side: `python -m deploy.check [PART …]`.

Each part is named when it ends, with its duration; its output is shown if it failed. The output of
the tests comes last, as pytest writes it.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chassis.topology import ROOT
from deploy.undeclared import undeclared

Command = Sequence[str]

PACKAGES = ROOT / "packages"
TESTS = "tests"
_POLL = 0.1  # seconds


def parts() -> dict[str, Command]:
    """Return the command of each part, by its name."""
    excluded = [f"--exclude=^{file.relative_to(ROOT)}$" for file in sorted(undeclared())]
    return {
        TESTS: _python("pytest", "tests/unit", "tests/contract", "packages", *_OFFLINE, *_SPREAD),
        "types": _python("mypy", *excluded),
        **{f"types of {folder.name}": _types_of(folder) for folder in sorted(PACKAGES.iterdir())},
        "manifests": _python("deploy.validate"),
        "format": _python("ruff", "format", "--check", "."),
        "lint": _python("ruff", "check", "."),
        "layers": [str(Path(sys.executable).with_name("lint-imports")), "--no-logo"],
        "declaration": _python("deploy.declaration"),
        "generated": _python("deploy.generate", "--check"),
        "schema changes": _python("deploy.schema_changes"),
    }


_OFFLINE = ("--ignore-glob=packages/*/conformance",)
"""Without the tests that install clients from npm."""

_SPREAD = ("--numprocesses", "logical", "--dist", "loadfile")
"""One process for each core; a file's fixtures are made in one of them only."""


def _python(*module: str) -> Command:
    return [sys.executable, "-m", *module]


def _types_of(package: Path) -> Command:
    """Return the command that checks the types of a package with its own settings."""
    return ["sh", "-c", 'cd "$1" && exec "$2" -m mypy', "sh", str(package), sys.executable]


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
    with ThreadPoolExecutor(len(commands)) as pool:
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


def main(names: Sequence[str]) -> int:
    commands = parts()
    if unknown := set(names) - commands.keys():
        print(
            f"Unknown: {', '.join(unknown)}. The parts are {', '.join(commands)}.", file=sys.stderr
        )
        return 2
    failed = run({name: commands[name] for name in names or commands}, _write)
    if failed:
        print(f"make check failed at: {' '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _write(text: str) -> None:
    print(text, end="", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
