"""Installs tools into environments of their own, apart from the packages of the system."""

import hashlib
import subprocess
import sys
import threading
import venv
from pathlib import Path

from stack.locks import locked
from stack.process import ROOT


def environment(name: str) -> Path:
    """Return the folder of the environment with requirements/<name>.txt."""
    return ROOT / ".venv" / name


def install(name: str) -> Path:
    """Install requirements/<name>.txt, unless it is there already; return the environment."""
    requirements, folder = ROOT / "requirements" / f"{name}.txt", environment(name)
    with locked(requirements, threading.Event()):
        stamp = folder / ".installed"
        wanted = hashlib.sha256(f"{sys.version} {requirements.read_text()}".encode()).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return folder
        print(f"==> Installing the {name} (once, some seconds)", file=sys.stderr)
        venv.create(folder, clear=True)
        script = ROOT / "stack" / "install.sh"
        subprocess.run([script, folder / "bin" / "python", requirements], check=True)
        stamp.write_text(wanted)
    return folder
