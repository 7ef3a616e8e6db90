"""The smoke test of a roll-out, on a healthy system and on a broken one."""

import subprocess

from chassis.topology import declared
from stack.process import ROOT
from tests.stack import RunningStack


def smoke(url: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [ROOT / "deploy" / "smoke.sh", url],
        env={"PATH": "/usr/bin:/bin", "SMOKE_ATTEMPTS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


class TestSmoke:
    def test_running_system_passes(self, stack: RunningStack) -> None:
        result = smoke(stack.url)
        assert result.returncode == 0, result.stdout + result.stderr
        assert result.stdout.count("ok ") == (7 if "notifier" in declared().services else 6)

    def test_unexpected_response_of_the_edge_fails(self, stack: RunningStack) -> None:
        """The router's own port has no /healthz and accepts invalid tokens."""
        result = smoke(stack.router_url)
        assert result.returncode == 1
        assert "failed  everything behind the edge is ready: got 404, expected 200" in result.stderr
