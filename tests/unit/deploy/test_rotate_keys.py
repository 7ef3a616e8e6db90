"""The rotation of signing keys on Kubernetes, with a fake kubectl around the real command."""

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chassis.topology import declared
from stack.process import ROOT
from subgraphs.auth.keys import KeyRing, SigningKey, Step, Waits

SCRIPT = ROOT / "deploy" / "kubernetes" / "rotate-keys.sh"
WAITS = Waits(timedelta(minutes=10), timedelta(minutes=16))
KUBECTL = """#!/bin/sh
# Answers as a cluster with one Secret and one auth process.
here=${0%/*}
echo "$*" >>"$here/calls"
case "$*" in
*"get secret"*) printf '7 %s' "$(base64 <"$here/secret" | tr -d '\\n')" ;;
*"exec --stdin deployment/auth -- python "*)
    while [ "$1" != -m ]; do shift; done
    exec "$PYTHON" "$@"
    ;;
*"patch secret"*) cat >"$here/patch" ;;
*) exit 1 ;;
esac
"""


@dataclass
class Cluster:
    folder: Path

    def hold(self, ring: KeyRing) -> None:
        (self.folder / "secret").write_text(ring.serialize())

    def rotate(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        path = f"{self.folder}:{os.environ['PATH']}"
        return subprocess.run(
            [SCRIPT, *arguments],
            env=os.environ | {"PATH": path, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def patch(self) -> dict[str, object] | None:
        file = self.folder / "patch"
        return json.loads(file.read_text()) if file.exists() else None

    @property
    def patched(self) -> KeyRing:
        assert self.patch
        data = self.patch["data"]
        assert isinstance(data, dict)
        assert set(data) == set(declared()["auth"].secret_file_names.values())
        return KeyRing.parse(base64.b64decode(data["auth-signing-keys"]).decode())


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL)
    kubectl.chmod(0o755)
    return Cluster(tmp_path)


class TestRotateKeys:
    def test_step_is_taken_in_the_secret_that_was_read(self, cluster: Cluster) -> None:
        ring = KeyRing.of(SigningKey.generate())
        cluster.hold(ring)
        done = cluster.rotate()
        assert done.returncode == 0, done.stderr
        assert "done: add. Next: promote" in done.stderr
        assert cluster.patch
        assert cluster.patch["metadata"] == {"resourceVersion": "7"}
        assert cluster.patched.signing.id == ring.signing.id
        assert cluster.patched.next_step() is Step.PROMOTE

    def test_step_that_is_not_due_changes_nothing(self, cluster: Cluster) -> None:
        cluster.hold(KeyRing.of(SigningKey.generate()).rotated(datetime.now(UTC), WAITS))
        refused = cluster.rotate()
        assert refused.returncode == 1
        assert "promote, is due at" in refused.stderr
        assert cluster.patch is None

    def test_replace_leaves_one_new_key(self, cluster: Cluster) -> None:
        ring = KeyRing.of(SigningKey.generate())
        cluster.hold(ring)
        assert cluster.rotate("replace").returncode == 0
        (key,) = cluster.patched.keys
        assert key.key.id != ring.signing.id

    def test_no_key_is_in_an_argument(self, cluster: Cluster) -> None:
        ring = KeyRing.of(SigningKey.generate())
        cluster.hold(ring)
        cluster.rotate()
        calls = (cluster.folder / "calls").read_text()
        assert ring.signing.serialize() not in calls
        assert cluster.patched.serialize() not in calls
