"""The committed gRPC messages match the .proto file, for auth and for its clients."""

import subprocess
import sys
from pathlib import Path

import pytest

from stack.process import ROOT


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    outputs = [f"--python_out={folder}", f"--pyi_out={folder}"]
    source = ["--proto_path=subgraphs/auth", *outputs, "sessions.proto"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *source], cwd=ROOT, check=True)
    return folder


@pytest.mark.parametrize("folder", ["subgraphs/auth", "chassis/sessions"])
@pytest.mark.parametrize("name", ["sessions_pb2.py", "sessions_pb2.pyi"])
def test_committed_files_are_the_generated_ones(generated: Path, folder: str, name: str) -> None:
    committed = ROOT / folder / name
    assert committed.read_text() == (generated / name).read_text(), "drifted. Run: make protos"
