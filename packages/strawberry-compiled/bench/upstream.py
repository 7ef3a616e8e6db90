"""Runs the test suites of graphql-core and Strawberry with the stock executor and with this one.

    python bench/upstream.py                        graphql-core: its source distribution, by pip
    python bench/upstream.py --checkout DIRECTORY   an unpacked source, such as Strawberry's

Compares test by test. Strawberry's tests are not in its source distribution: check out the tag of
the installed version, in an environment that has what the tests import.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

PLUGINS = ("pytest-describe", "pytest-benchmark", "py-cpuinfo")
"""What graphql-core's tests need beside what is installed."""
HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkout", type=Path)
    parser.add_argument("--tests", default="tests", help="a part of the suite")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="upstream-") as directory:
        scratch = Path(directory)
        options = [given.tests]
        if given.checkout is None:
            options.append("--benchmark-disable")
            _pip("install", "--no-deps", "--target", scratch / "plugins", *PLUGINS)
        source = given.checkout or _graphql_core(scratch)
        stock = _outcomes(source, scratch, *options)
        ours = _outcomes(source, scratch, "-p", "upstream_plugin", *options)
    print(f"stock    {_counted(stock)}\ncompiled {_counted(ours)}")
    different = [name for name in {**stock, **ours} if stock.get(name) != ours.get(name)]
    for name in different:
        print(f"{name}: {stock.get(name)} with the stock executor, {ours.get(name)} with ours")
    if different or "passed" not in stock.values():
        sys.exit(1)


def _graphql_core(scratch: Path) -> Path:
    """Return the sources of the version that is installed."""
    wanted = f"graphql-core=={version('graphql-core')}"
    _pip("download", "--no-deps", "--no-binary", "graphql-core", "--dest", scratch, wanted)
    (archive,) = scratch.glob("graphql_core-*.tar.gz")
    with tarfile.open(archive) as found:
        found.extractall(scratch, filter="data")
    return scratch / archive.name.removesuffix(".tar.gz")


def _pip(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *arguments], check=True)


def _outcomes(source: Path, scratch: Path, *options: str) -> Mapping[str, str]:
    """Return the outcome of each test by its name."""
    report = scratch / "report.xml"
    report.unlink(missing_ok=True)
    path = os.pathsep.join([str(HERE), str(scratch / "plugins")])
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", f"--junitxml={report}"]
    subprocess.run(
        [*command, *options],
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
    return ", ".join(
        f"{count} {kind}" for kind, count in sorted(Counter(outcomes.values()).items())
    )


if __name__ == "__main__":
    main()
