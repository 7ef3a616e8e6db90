"""A local server that stands for the address where the Apollo Router is released."""

import hashlib
import io
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from stack import router_binary
from stack.router import VERSION


class Release:
    """A folder that is served over HTTP and holds the archive of a router for each target."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gate = threading.Event()
        """A slow server sends the second half of an archive when this is set."""
        self.gate.set()
        self.half_sent = threading.Event()
        self.publish(f"#!/bin/sh\necho {VERSION}\n".encode())
        handler = partial(_Handler, self, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def publish(self, program: bytes, name: str = "dist/router") -> None:
        """Replace the archives by some that hold a program."""
        sums = []
        for target in router_binary.TARGETS.values():
            archive = self.folder / f"router-v{VERSION}-{target}.tar.gz"
            with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
                entry = tarfile.TarInfo(name)
                entry.size = len(program)
                tar.addfile(entry, io.BytesIO(program))
            sums.append(f"{hashlib.sha256(archive.read_bytes()).hexdigest()} *{archive.name}\n")
        (self.folder / "sha256sums.txt").write_text("".join(sums))

    @property
    def archives(self) -> list[Path]:
        return list(self.folder.glob("*.tar.gz"))

    def close(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, release: Release, *arguments: Any, **options: Any) -> None:
        self._release = release
        super().__init__(*arguments, **options)

    def copyfile(self, source: Any, outputfile: Any) -> None:
        content = source.read()
        if self.path.endswith(".tar.gz"):
            outputfile.write(content[: len(content) // 2])
            outputfile.flush()
            self._release.half_sent.set()
            self._release.gate.wait(30)
            content = content[len(content) // 2 :]
        outputfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
