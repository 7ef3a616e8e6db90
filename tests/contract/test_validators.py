"""The validators of `make check` refuse broken copies of the repository's files."""

import shutil
from pathlib import Path

import pytest

from deploy.validate import CHECKS, validate
from stack.process import ROOT

SHOWN = ("Dockerfile", "docker-compose.yml", ".github", ".ci", "deploy")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the validated files, to be broken."""
    for name in SHOWN:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("node_modules", "secrets", "__pycache__")
            shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


BREAKAGES = [
    ("Dockerfile (hadolint)", "Dockerfile", 'CMD ["serve"]', "CMD serve", "DL3025"),
    ("shell scripts (shellcheck)", "deploy/smoke.sh", '"$url/healthz"', "$url/healthz", "SC2086"),
    (
        "YAML (yamllint)",
        "deploy/kubernetes/base/services/auth.yaml",
        "  maxReplicas: 20",
        "  maxReplicas: 20\n  maxReplicas: 40",
        "duplication of key",
    ),
    (
        "Compose (its schema)",
        "docker-compose.yml",
        "restart: unless-stopped",
        "restarts: unless-stopped",
        "restarts",
    ),
    (
        "workflows (their schema)",
        ".github/workflows/deploy.yml",
        "    timeout-minutes: 45\n",
        "",
        "timeout-minutes",
    ),
    (
        "workflows (actionlint)",
        ".github/workflows/deploy.yml",
        "inputs.release",
        "inputs.relaese",
        "relaese",
    ),
    (
        "workflows (zizmor)",
        ".github/workflows/deploy.yml",
        "$RELEASE",
        "${{ inputs.release }}",
        "template-injection",
    ),
    (
        "workflows (zizmor)",
        ".github/workflows/ci.yml",
        "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd",
        "actions/checkout@v6",
        "unpinned-uses",
    ),
    (
        "Kubernetes (kustomize, the schemas)",
        "deploy/kubernetes/base/services/auth.yaml",
        "containerPort",
        "containerport",
        "'containerPort' is a required property",
    ),
    (
        "Kubernetes (kustomize, the schemas)",
        "deploy/kubernetes/overlays/digitalocean/load-balancer.yaml",
        "  name: edge",
        "  name: egde",
        "no matches",
    ),
]


class TestValidate:
    @pytest.mark.parametrize(
        ("check", "file", "text", "instead", "expected"),
        BREAKAGES,
        ids=[f"{file}: {expected}" for _, file, _, _, expected in BREAKAGES],
    )
    def test_broken_file_is_refused(
        self, copy: Path, check: str, file: str, text: str, instead: str, expected: str
    ) -> None:
        content = (copy / file).read_text()
        assert text in content
        (copy / file).write_text(content.replace(text, instead))
        assert expected in validate(copy, [check])[check]

    def test_every_check_refuses_something(self) -> None:
        assert {check for check, *_ in BREAKAGES} == set(CHECKS)
