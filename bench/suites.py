"""Runs upstream's own tests with the executor that comes with it and with ours, and compares.

    python -m bench.suites                      graphql-core's: its source distribution, by pip
    python -m bench.suites --checkout DIRECTORY those of an unpacked source, Strawberry's say

Strawberry's are in no package: they take a checkout, in an environment that has what they import.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

from bench.testbed import ROOT

PLUGINS = ("pytest-describe", "pytest-benchmark", "py-cpuinfo")
"""What graphql-core's tests want beside what is here."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.suites", description=__doc__)
    parser.add_argument("--checkout", type=Path)
    given = parser.parse_args().checkout
    with tempfile.TemporaryDirectory(prefix="chirp-suites-") as directory:
        scratch = Path(directory)
        _pip("install", "--no-deps", "--target", scratch / "plugins", *PLUGINS)
        source = given or _graphql_core(scratch)
        stock = _outcomes(source, scratch)
        ours = _outcomes(source, scratch, "-p", "bench.upstream_suites")
    print(f"stock {_counted(stock)}\nours  {_counted(ours)}")
    worse = [name for name, one in stock.items() if one == "passed" != ours.get(name)]
    for name in worse:
        print(f"passes only with the stock executor: {name}")
    if worse or "passed" not in stock.values():
        sys.exit(1)


def _graphql_core(scratch: Path) -> Path:
    """The sources of the version that is installed."""
    wanted = f"graphql-core=={version('graphql-core')}"
    _pip("download", "--no-deps", "--no-binary", "graphql-core", "--dest", scratch, wanted)
    (archive,) = scratch.glob("graphql_core-*.tar.gz")
    with tarfile.open(archive) as found:
        found.extractall(scratch, filter="data")
    return scratch / archive.name.removesuffix(".tar.gz")


def _pip(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *arguments], check=True)


def _outcomes(source: Path, scratch: Path, *options: str) -> Mapping[str, str]:
    """What became of each test."""
    report = scratch / "report.xml"
    report.unlink(missing_ok=True)
    path = os.pathsep.join([str(ROOT), str(scratch / "plugins")])
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "tests",
            "-q",
            "--tb=no",
            f"--junitxml={report}",
            *options,
        ],
        cwd=source,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    cases = ElementTree.parse(report).iter("testcase")  # noqa: S314  (pytest has just written it)
    return {
        f"{case.get('classname')}.{case.get('name')}": case[0].tag if len(case) else "passed"
        for case in cases
    }


def _counted(outcomes: Mapping[str, str]) -> str:
    kinds = sorted(set(outcomes.values()))
    return ", ".join(f"{list(outcomes.values()).count(kind)} {kind}" for kind in kinds)


if __name__ == "__main__":
    main()
