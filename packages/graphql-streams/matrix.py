"""Runs the tests on each supported version of Strawberry and graphql-core: `python matrix.py`.

Installs this package into an empty environment for each. Takes uv, and an index of packages that it
can reach. `python matrix.py 0.341.2:3.3.2` runs on one version, `--python 3.13` on another Python.
Ends with a table of the results.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = "graphql-streams"
VERSIONS = (
    ("0.334.0", "3.3.0"),
    ("0.336.2", "3.3.1"),
    ("0.338.0", "3.3.2"),
    ("0.341.2", "3.3.0"),
    ("0.341.2", "3.3.2"),
)
"""Strawberry and graphql-core: the oldest, the newest, and some between."""


def main() -> int:
    """Return the status of the process: 1 where the tests failed on a version."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("versions", nargs="*", help="Strawberry:graphql-core")
    parser.add_argument("--python", default=sys.executable)
    given = parser.parse_args()
    rows = ["| Strawberry | graphql-core | |", "| --- | --- | --- |"]
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        wheel = _built(folder)
        for strawberry, core in [each.split(":") for each in given.versions] or VERSIONS:
            sys.stdout.write(f"==> strawberry-graphql {strawberry}, graphql-core {core}\n")
            sys.stdout.flush()
            status, result = _tested(given.python, wheel, strawberry, core)
            failed |= status != 0
            rows.append(f"| {strawberry} | {core} | {result if status == 0 else f'**{result}**'} |")
    sys.stdout.write("\n".join(rows) + "\n")
    return int(failed)


def _uv() -> str:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        sys.exit("matrix.py needs uv: https://docs.astral.sh/uv/")
    return uv


def _built(folder: str) -> Path:
    """Build this package. Its wheel has a new path: uv keeps environments of a path it knows."""
    subprocess.run([_uv(), "build", "--quiet", "--wheel", "--out-dir", folder, HERE], check=True)
    [wheel] = Path(folder).glob("*.whl")
    return wheel


def _tested(python: str, wheel: Path, strawberry: str, core: str) -> tuple[int, str]:
    """Show the tests on these versions; return their status and how many passed or failed."""
    command = [_uv(), "run", "--isolated", "--no-project", "--python", python]
    command += ["--with", f"{PACKAGE}[test] @ {wheel.as_uri()}"]
    for package in (f"strawberry-graphql=={strawberry}", f"graphql-core=={core}"):
        command += ["--with", package]
    tests = subprocess.Popen(
        [*command, "python", "-m", "pytest", "tests", "--color=no"],
        cwd=HERE,
        stdout=subprocess.PIPE,
        text=True,
    )
    last = "no tests"
    for line in tests.stdout or ():
        sys.stdout.write(line)
        sys.stdout.flush()
        last = line.strip() or last
    return tests.wait(), last.partition(" in ")[0]


if __name__ == "__main__":
    sys.exit(main())
