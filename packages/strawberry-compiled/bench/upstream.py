"""Runs the test suites of graphql-core and Strawberry with the stock executor and with this one.

    python bench/upstream.py --strawberry DIRECTORY

Compares test by test: the outcome, and where it failed the message. graphql-core's suite is in its
source distribution, which pip downloads. Strawberry's is not: DIRECTORY is a checkout of its
repository, of which only the tests are used. Where its version differs from the one that is tested
(`--versions 0.341.2:3.3.2`), some of the tests fail; they must then fail alike.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
VERSIONS = "0.341.2:3.3.2"
IRRELEVANT = (
    *("codeflash", "mypy", "nox", "pre-commit", "pyright", "ruff", "tox", "types-"),
    *("pytest-codspeed", "pytest-cov", "pytest-xdist"),
)
"""What the dependency groups name beside what the tests import."""
_REMOVED_SINCE = "import strawberry.utils\n\nstrawberry.utils.IS_GQL_32 = False\n"
"""What tests of Strawberry before 0.334 import, when it supported graphql-core 3.2."""

Outcomes = Mapping[str, Sequence[str]]
"""The outcomes of the tests by name: some names are those of more than one test."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strawberry", type=Path, metavar="DIRECTORY")
    parser.add_argument("--versions", default=VERSIONS, help="Strawberry:graphql-core")
    parser.add_argument("--tests", nargs="+", default=["tests"], help="a part of the suite")
    parser.add_argument("--only", choices=["core", "strawberry"])
    given = parser.parse_args()
    strawberry, core = given.versions.split(":")
    installed = (f"strawberry-graphql=={strawberry}", f"graphql-core=={core}")
    equal = True
    with tempfile.TemporaryDirectory(prefix="upstream-") as directory:
        scratch = Path(directory)
        if given.only != "strawberry":
            source = _graphql_core(scratch, core)
            needs = (*installed, *_needs(source, "test"))
            equal &= _compare("graphql-core", source, needs, (*given.tests, "--timeout=0"))
        if given.only != "core":
            if given.strawberry is None:
                parser.error("--strawberry: name a checkout of Strawberry's repository")
            source = _strawberry(scratch, given.strawberry)
            needs = (*installed, *_needs(source, "dev", "integrations"))
            # The type checkers and the benchmarks compare no answers.
            ignored = ("--ignore=tests/typecheckers", "--ignore=tests/benchmarks")
            equal &= _compare("Strawberry", source, needs, (*given.tests, *ignored))
    sys.exit(not equal)


def _graphql_core(scratch: Path, wanted: str) -> Path:
    """Return the sources of this version."""
    requirement = f"graphql-core=={wanted}"
    options = ("--quiet", "--no-deps", "--no-binary", "graphql-core", "--dest", str(scratch))
    subprocess.run([sys.executable, "-m", "pip", "download", *options, requirement], check=True)
    (archive,) = scratch.glob("graphql_core-*.tar.gz")
    with tarfile.open(archive) as found:
        found.extractall(scratch, filter="data")
    source = scratch / archive.name.removesuffix(".tar.gz")
    shutil.rmtree(source / "src", ignore_errors=True)  # the installed package is tested
    return source


def _strawberry(scratch: Path, checkout: Path) -> Path:
    """Return a copy without the package itself, so that the installed one is tested."""
    source = scratch / "strawberry-tests"
    ignored = shutil.ignore_patterns(".git", ".venv")
    shutil.copytree(checkout, source, ignore=ignored, symlinks=True)
    shutil.rmtree(source / "strawberry")
    conftest = source / "tests" / "conftest.py"
    conftest.write_text(_REMOVED_SINCE + conftest.read_text())
    return source


def _needs(source: Path, *groups: str) -> Iterable[str]:
    """Return what the tests of a repository import, by its dependency groups."""
    known = tomllib.loads((source / "pyproject.toml").read_text())["dependency-groups"]
    for group in groups:
        for requirement in known[group]:
            if not requirement.startswith(IRRELEVANT):
                yield requirement


def _compare(suite: str, source: Path, needs: Iterable[str], options: Iterable[str]) -> bool:
    """Run a suite twice, print how the outcomes compare, and return whether all are the same."""
    stock, _ = _outcomes(source, needs, *options)
    ours, compiled = _outcomes(source, needs, "-p", "upstream_plugin", *options)
    names = sorted({*stock, *ours})
    different = [name for name in names if stock.get(name) != ours.get(name)]
    total = sum(map(len, stock.values()))
    print(f"{suite}: {total} tests, {total - len(different)} the same, {len(different)} different")
    print(f"    stock    {_counted(stock)}\n    compiled {_counted(ours)}")
    print(f"    {compiled:,} values and resolvers of the second run were compiled", flush=True)
    for name in different:
        print(f"    {name}:\n        stock    {stock.get(name)}\n        compiled {ours.get(name)}")
    return not different and bool(compiled) and "passed" in _counted(stock)


def _outcomes(source: Path, needs: Iterable[str], *options: str) -> tuple[Outcomes, int]:
    """Return the outcomes, and how often compiled code completed a value."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        sys.exit("upstream.py needs uv: https://docs.astral.sh/uv/")
    report, count = source / "report.xml", source / "compiled"
    for file in (report, count):
        file.unlink(missing_ok=True)
    command = [uv, "run", "--isolated", "--no-project", "--python", sys.executable]
    command += ["--with-editable", f"{HERE.parent}[test]"]
    command += [part for requirement in needs for part in ("--with", requirement)]
    command += ["python", "-m", "pytest", "-q", "--tb=short", f"--junitxml={report}", *options]
    command += ["--continue-on-collection-errors"]
    with (source / "output").open("w") as output:
        subprocess.run(
            command,
            cwd=source,
            env={**os.environ, "PYTHONPATH": str(HERE), "UPSTREAM_COMPILED": str(count)},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if not report.exists():
        sys.exit((source / "output").read_text()[-5000:] or "pytest has written no report")
    outcomes = defaultdict(list)
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314  (pytest wrote it)
        outcomes[f"{case.get('classname')}.{case.get('name')}"].append(_outcome(case))
    return outcomes, int(count.read_text()) if count.exists() else 0


def _outcome(case: ElementTree.Element) -> str:
    """Return `passed`, or what happened with its message, without addresses of objects."""
    kinds = [each for each in case if each.tag in {"failure", "error", "skipped"}]
    told = [f"{each.tag}: {each.get('message', '').strip()}" for each in kinds]
    return re.sub(r"0x[0-9a-f]+", "0x…", "; ".join(told)) or "passed"


def _counted(outcomes: Outcomes) -> str:
    kinds = Counter(each.partition(":")[0] for found in outcomes.values() for each in found)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


if __name__ == "__main__":
    main()
