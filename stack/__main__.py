"""The commands behind the Makefile: `python -m stack --help`."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from chassis.topology import TopologyError
from deploy.dotenv import DotenvError
from stack.commands import Commands
from stack.console import Console
from stack.preload import Preloader
from stack.process import ROOT, StackError, StoppedError

# The modules of the commands are imported by the commands: `make up` starts the preloader first,
# and `make status` needs few of them.


def main() -> int:
    arguments = _parser().parse_args()
    console = Console(quiet=not arguments.verbose, live=arguments.command != "fetch")
    interrupted = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: interrupted.set())
    try:
        return COMMANDS[arguments.command](arguments, Commands(console, interrupted)) or 0
    except (DotenvError, StackError, TopologyError) as failure:
        console.error(str(failure))
        return 1
    except StoppedError:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m stack", description=__doc__)
    parser.add_argument("--settings", type=Path, default=ROOT / ".env", help="the settings file")
    parser.add_argument("--data", type=Path, default=ROOT / ".data", help="the data folder")
    parser.set_defaults(verbose=True)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("up", "start everything; Ctrl-C stops it"),
        ("dev", "the same, and restart what an edit concerns"),
    ):
        starting = commands.add_parser(name, help=text)
        starting.add_argument(
            "--router",
            choices=["router", "stand-in"],
            help="which one; by default the Apollo Router, or the stand-in until it is installed",
        )
        starting.add_argument("--verbose", action="store_true", help="show every line of a process")
    commands.add_parser("status", help="list the processes of a running stack")
    logs = commands.add_parser("logs", help="follow the logs of a stack")
    logs.add_argument("--service", default="", help="only this process")
    commands.add_parser("migrate", help="bring the databases up to date")
    commands.add_parser("supergraph", help="export the schemas and compose them")
    commands.add_parser("explorer", help="build the explorer's page")
    fetching = commands.add_parser("fetch", help="download the Apollo Router, or its stand-in")
    fetching.set_defaults(verbose=False)
    commands.add_parser("router", help="install the Apollo Router, by download or from source")
    commands.add_parser("router-from-source", help="build the Apollo Router")
    commands.add_parser("demo", help="two people use a running stack")
    running = commands.add_parser("run", help="run a command of a service, with its settings")
    running.add_argument("service")
    running.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def _up(arguments: argparse.Namespace, commands: Commands) -> None:
    preloader = _preloader()
    from stack import up
    from stack.router import Kind

    kind = Kind(arguments.router) if arguments.router else None
    up.run(commands, arguments.settings, arguments.data, kind, preloader)


def _dev(arguments: argparse.Namespace, commands: Commands) -> None:
    preloader = _preloader()
    from stack import dev
    from stack.router import Kind

    kind = Kind(arguments.router) if arguments.router else None
    dev.run(commands, arguments.settings, arguments.data, kind, preloader)


def _preloader() -> Preloader | None:
    if not Preloader.is_available():
        return None
    preloader = Preloader()
    preloader.start()
    return preloader


def _status(arguments: argparse.Namespace, commands: Commands) -> int:
    from stack import status

    entries = status.read(arguments.data)
    if not entries:
        raise StackError(f"No stack runs with its data in {arguments.data}. Start it: make up")
    table, well = status.table(entries)
    commands.console.write(table)
    return 0 if well else 1


def _logs(arguments: argparse.Namespace, commands: Commands) -> None:
    from stack import logs

    logs.follow(arguments.data, arguments.service, commands.console, commands.interrupted)


def _migrate(arguments: argparse.Namespace, commands: Commands) -> None:
    from stack.environment import prepare
    from stack.supervisor import Stack

    stack = Stack(prepare(arguments.settings, os.environ), arguments.data, commands)
    try:
        if stack.lock_data():  # else a running stack has the servers up
            stack.start_servers()
        stack.migrate()
    finally:
        stack.stop()


def _supergraph(_: argparse.Namespace, commands: Commands) -> None:
    from stack import supergraph

    supergraph.export_schemas()
    supergraph.compose(commands)


def _explorer(_: argparse.Namespace, commands: Commands) -> None:
    from stack import explorer

    explorer.build(commands)


def _router(arguments: argparse.Namespace, commands: Commands) -> None:
    from stack import router_binary

    if arguments.command == "router":
        release = os.environ.get("ROUTER_RELEASE_URL") or router_binary.RELEASE
        router_binary.bring(commands, release)
    else:
        router_binary.build(commands)


def _fetch(_: argparse.Namespace, commands: Commands) -> None:
    """Begin what a first start needs, while the Python packages are installed.

    It runs on the Python of the system. What it cannot do, the start does, or shows why.
    """
    from stack import node, router_binary

    release = os.environ.get("ROUTER_RELEASE_URL") or router_binary.RELEASE
    try:
        router_binary.download(commands.console, commands.interrupted, release)
    except (OSError, StackError):
        if node.installed_node():
            with suppress(StackError):
                node.install_packages(commands, node.ROUTER_PACKAGES)


def _demo(arguments: argparse.Namespace, commands: Commands) -> None:
    from stack import demo, mailbox
    from stack.addresses import Addresses
    from stack.environment import prepare

    settings = prepare(arguments.settings, os.environ)
    if not mailbox.is_wanted(settings):
        raise StackError(
            "The demo verifies an address with a code from the mailbox of `make up`, which these "
            "settings do not start: see MAIL_HOST and MAILBOX_PORT."
        )
    demo.demonstrate(Addresses(settings).url("edge"), mailbox.address(settings), commands.console)


def _run(arguments: argparse.Namespace, _: Commands) -> None:
    from stack.environment import prepare
    from stack.services import module, settings_of

    command = [sys.executable, "-m", module(arguments.service), *arguments.arguments]
    settings = settings_of(arguments.service, prepare(arguments.settings, os.environ))
    os.execve(sys.executable, command, os.environ | settings)  # noqa: S606


COMMANDS: dict[str, Callable[[argparse.Namespace, Commands], int | None]] = {
    "up": _up,
    "dev": _dev,
    "status": _status,
    "logs": _logs,
    "migrate": _migrate,
    "supergraph": _supergraph,
    "explorer": _explorer,
    "fetch": _fetch,
    "router": _router,
    "router-from-source": _router,
    "demo": _demo,
    "run": _run,
}


if __name__ == "__main__":
    sys.exit(main())
