"""The committed gRPC messages match the .proto files, for auth and for its clients."""

import subprocess
import sys
from pathlib import Path

import pytest

from stack.process import ROOT

GENERATED = [
    ("sessions", "subgraphs/auth"),
    ("sessions", "chassis/sessions"),
    ("account_mails", "subgraphs/auth"),
    ("account_mails", "notifier"),
]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    outputs = [f"--python_out={folder}", f"--pyi_out={folder}"]
    names = {f"{name}.proto" for name, _ in GENERATED}
    source = ["--proto_path=subgraphs/auth", *outputs, *names]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *source], cwd=ROOT, check=True)
    return folder


@pytest.mark.parametrize(("name", "folder"), GENERATED)
@pytest.mark.parametrize("suffix", ["_pb2.py", "_pb2.pyi"])
def test_committed_files_are_the_generated_ones(
    generated: Path, name: str, folder: str, suffix: str
) -> None:
    committed = (ROOT / folder / f"{name}{suffix}").read_text()
    assert committed == (generated / f"{name}{suffix}").read_text(), "drifted. Run: make protos"


def test_every_proto_file_is_compared() -> None:
    declared = {file.stem for file in (ROOT / "subgraphs" / "auth").glob("*.proto")}
    assert declared == {name for name, _ in GENERATED}
