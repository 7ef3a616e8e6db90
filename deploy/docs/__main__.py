"""Builds the site into `site/`: `python -m deploy.docs`; `serve` builds it and serves it."""

import functools
import http.server
import io
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from string import Template

from chassis.topology import Topology, declared
from deploy import tools
from deploy.docs.navigation import Entry, navigation, paths
from deploy.docs.rendered import problems
from deploy.docs.source import gather
from stack.commands import Commands
from stack.console import Console
from stack.node import install_packages
from stack.process import ROOT

SITE = ROOT / "site"
_WORK = ROOT / ".data" / "docs"
_FOLDER = Path(__file__).parent
_DIAGRAMS = _FOLDER / "node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js"
_PORT = 4190


def build() -> int:
    """Build the site and return the exit status; prints what is wrong with it."""
    environment = tools.install("docs")
    install_packages(Commands(Console(io.StringIO()), threading.Event()), _FOLDER)
    topology, source = declared(), _WORK / "source"
    pages = navigation(topology)
    gather([*paths(pages)], source)
    shutil.copyfile(_DIAGRAMS, source / "diagrams.js")
    shutil.copyfile(_FOLDER / "site.css", source / "site.css")
    (_WORK / "zensical.toml").write_text(configuration(topology, pages))
    built = subprocess.run(
        [environment / "bin" / "zensical", "build", "--strict", "--clean"],
        cwd=_WORK,
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        print(built.stdout, built.stderr, sep="\n", file=sys.stderr)
        return 1
    shutil.rmtree(SITE, ignore_errors=True)
    (_WORK / "site").rename(SITE)
    found = [*problems(SITE)]
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


def configuration(topology: Topology, pages: Sequence[Entry]) -> str:
    """Return the configuration of the generator."""
    template = Template((_FOLDER / "zensical.toml").read_text())
    return template.substitute(title=topology.project.title, navigation=_toml(pages))


def _toml(value: object) -> str:
    """Return a list, a mapping or a text as TOML in one line."""
    if isinstance(value, str):
        return '"{}"'.format(value.replace("\\", "\\\\").replace('"', '\\"'))
    if isinstance(value, dict):
        return "{{{}}}".format(", ".join(f"{_toml(k)} = {_toml(v)}" for k, v in value.items()))
    assert isinstance(value, list)  # noqa: S101  (nothing else is in a navigation)
    return "[{}]".format(", ".join(map(_toml, value)))


@contextmanager
def serving(port: int) -> Iterator[str]:
    """Serve the site on this machine while the block runs; yield its address."""
    handler = functools.partial(_Handler, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


def main(arguments: Sequence[str]) -> int:
    if status := build():
        return status
    if "serve" in arguments:
        with serving(_PORT) as url, suppress(KeyboardInterrupt):
            print(f"The documentation: {url}. Ctrl-C stops it.", flush=True)
            threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
