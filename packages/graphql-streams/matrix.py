"""Runs the tests on each supported version of Strawberry and graphql-core: `python matrix.py`.

Takes uv, and an index of packages that it can reach. `python matrix.py 0.341.2:3.3.2` runs on one.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSIONS = (
    ("0.334.0", "3.3.0"),
    ("0.341.2", "3.3.2"),
)
"""Strawberry and graphql-core: the oldest and the newest."""


def main() -> int:
    """Return the status of the process: 1 where the tests failed on a version."""
    chosen = [tuple(each.split(":")) for each in sys.argv[1:]] or VERSIONS
    failed = []
    for strawberry, core in chosen:
        name = f"strawberry-graphql {strawberry}, graphql-core {core}"
        passed = _tests_pass(strawberry, core)
        sys.stdout.write(f"==> {name}: {'passed' if passed else 'FAILED'}\n")
        if not passed:
            failed.append(name)
    return 1 if failed else 0


def _tests_pass(strawberry: str, core: str) -> bool:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        sys.exit("matrix.py needs uv: https://docs.astral.sh/uv/")
    command = [uv, "run", "--isolated", "--no-project", "--python", sys.executable]
    command += ["--with-editable", ".[test]"]
    for package in (f"strawberry-graphql=={strawberry}", f"graphql-core=={core}"):
        command += ["--with", package]
    done = subprocess.run(
        [*command, "python", "-m", "pytest", "tests"],
        cwd=Path(__file__).resolve().parent,
        check=False,
    )
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
