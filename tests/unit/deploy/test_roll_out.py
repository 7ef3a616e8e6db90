"""The order of a roll-out and its roll-back, with a fake kubectl that records its calls."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chassis.topology import declared
from stack.process import ROOT

SERVICES = list(declared().services)
SCRIPT = ROOT / "deploy" / "kubernetes" / "roll-out.sh"
KUBECTL = """#!/bin/sh
# Records its arguments; fails if they contain a line of `fails`. Knows revisions and stopping pods.
here=${0%/*}
echo "$*" >>"$here/calls"
case "$*" in
*"get pods"*) cat "$here/stopping" ;;
*"get deployment"*)
    name=$5
    [ -f "$here/revisions/$name" ] || exit 0
    if grep -q "component=service.*$name" "$here/calls"; then
        cat "$here/after/$name"
    else
        cat "$here/revisions/$name"
    fi
    ;;
esac
! echo "$*" | grep -q -F -f "$here/fails"
"""


@dataclass
class Cluster:
    """The state of the fake kubectl, and the calls that it has recorded."""

    folder: Path
    revisions: dict[str, int] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    fails: list[str] = field(default_factory=list)
    stopping: str = ""
    """Pods that end, as `kind/name`, with spaces between them."""

    def roll_out(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        for name in ("revisions", "after"):
            (self.folder / name).mkdir()
        for name, revision in self.revisions.items():
            (self.folder / "revisions" / name).write_text(str(revision))
            (self.folder / "after" / name).write_text(str(revision + (name in self.changed)))
        (self.folder / "stopping").write_text(self.stopping)
        (self.folder / "fails").write_text("".join(f"{words}\n" for words in self.fails))
        return subprocess.run(
            [SCRIPT, "local", *arguments],
            env=os.environ | {"PATH": f"{self.folder}:{os.environ['PATH']}", "SMOKE_ATTEMPTS": "0"},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self, *wanted: str) -> list[str]:
        """Return the calls that change or await something, or contain one of the words."""
        words = ("apply", "delete", "undo", "wait", *wanted)
        lines = (self.folder / "calls").read_text().splitlines()
        return [line for line in lines if any(word in line for word in words)]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL)
    kubectl.chmod(0o755)
    names = (*SERVICES, "router", "edge", "prober")
    return Cluster(tmp_path, dict.fromkeys(names, 7), changed=["auth", "router"])


class TestRollOut:
    def test_migrations_are_first_and_the_edge_is_last(self, cluster: Cluster) -> None:
        assert cluster.roll_out().returncode == 0
        steps = cluster.calls("rollout status")
        order = [
            *("delete job", "notin (service,cron)", "wait --for condition=complete"),
            *(",".join(SERVICES), *(f"deployment/{name}" for name in SERVICES)),
            *("name in (router)", "deployment/router", "name in (edge,prober)"),
            *("deployment/edge", "deployment/prober", "component=cron"),
        ]
        assert len(steps) == len(order)
        for step, expected in zip(steps, order, strict=True):
            assert expected in step

    def test_failed_migration_changes_no_service(self, cluster: Cluster) -> None:
        cluster.fails = ["wait --for"]
        result = cluster.roll_out()
        assert result.returncode == 1
        assert "The running services are unchanged." in result.stderr
        assert not [call for call in cluster.calls() if "component=service" in call]

    def test_unready_deployment_rolls_back_those_that_changed(self, cluster: Cluster) -> None:
        cluster.fails = ["rollout status deployment/router"]
        result = cluster.roll_out()
        assert result.returncode == 1
        undone = [call for call in cluster.calls() if "undo" in call]
        assert undone == [
            f"--namespace {declared().project.name} rollout undo deployment/{name} --to-revision 7"
            for name in ("auth", "router")
        ]
        assert not [call for call in cluster.calls() if "name in (edge" in call]
        assert not [call for call in cluster.calls() if "component=cron" in call]

    def test_failed_smoke_test_rolls_back(self, cluster: Cluster) -> None:
        result = cluster.roll_out("http://127.0.0.1:9")
        assert result.returncode == 1
        assert "The smoke test failed: rolling back" in result.stdout
        assert len([call for call in cluster.calls() if "undo" in call]) == 2
        assert not [call for call in cluster.calls() if "component=cron" in call]

    def test_smoke_test_waits_until_old_pods_have_ended(self, cluster: Cluster) -> None:
        cluster.stopping = "pod/router-1 pod/edge-1 "
        cluster.fails = ["wait --for delete"]
        result = cluster.roll_out("http://127.0.0.1:9")
        assert "The old pods do not end: rolling back" in result.stdout
        assert "Smoke test" not in result.stdout
        waits = [call for call in cluster.calls() if "wait --for delete" in call]
        assert "pod/router-1 pod/edge-1 --timeout" in waits[0]

    def test_failed_first_roll_out_has_no_revision_to_go_back_to(self, cluster: Cluster) -> None:
        cluster.revisions, cluster.fails = {}, ["rollout status deployment/auth"]
        result = cluster.roll_out()
        assert result.returncode == 1
        assert "no revision to go back to" in result.stderr
        assert not [call for call in cluster.calls() if "undo" in call]
