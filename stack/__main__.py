"""The commands behind the Makefile: up, migrate, supergraph, router, demo."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from chassis.topology import TopologyError
from deploy.dotenv import DotenvError
from stack import demo, explorer, router_binary, supergraph
from stack.commands import Commands
from stack.console import Console
from stack.environment import prepare
from stack.mailbox import address as mailbox_address
from stack.mailbox import is_wanted
from stack.process import ROOT, StackError, StoppedError
from stack.router import Kind
from stack.supervisor import Stack

WELCOME = Path(__file__).with_name("welcome.txt")


def main() -> int:
    arguments = _parser().parse_args()
    console = Console()
    interrupted = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: interrupted.set())
    try:
        COMMANDS[arguments.command](arguments, Commands(console, interrupted))
    except (DotenvError, StackError, TopologyError) as failure:
        console.error(str(failure))
        return 1
    except StoppedError:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m stack", description=__doc__)
    parser.add_argument("--settings", type=Path, default=ROOT / ".env", help="the file of settings")
    parser.add_argument("--data", type=Path, default=ROOT / ".data", help="where the data lies")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start everything; Ctrl-C stops it")
    up.add_argument("--router", type=Kind, choices=list(Kind), help="which one; else what is here")
    commands.add_parser("migrate", help="bring the databases up to date")
    commands.add_parser("supergraph", help="export the schemas and compose them")
    commands.add_parser("explorer", help="build the explorer's page")
    commands.add_parser("router", help="bring the Apollo Router, by download or by building it")
    commands.add_parser("router-from-source", help="build the Apollo Router")
    showing = commands.add_parser("demo", help="two people use a running stack")
    showing.add_argument("--url", default=os.environ.get("CHIRP_URL", "http://127.0.0.1:4000"))
    return parser


def _up(arguments: argparse.Namespace, commands: Commands) -> None:
    supergraph.refresh(commands, arguments.data)
    settings = prepare(arguments.settings, os.environ)
    stack = Stack(settings, arguments.data, commands, arguments.router)
    try:
        stack.start()
        address = stack.url("edge").replace("127.0.0.1", "localhost")
        commands.console.write(WELCOME.read_text().replace("@URL@", address))
        if is_wanted(settings):
            commands.console.step(f"The mail that Chirp sends: {mailbox_address(settings)}")
        if stack.kind is Kind.STAND_IN:
            commands.console.step("This is the stand-in. For the Apollo Router: make router")
        stack.wait()
    except StoppedError:
        pass
    finally:
        commands.console.step("Stopping")
        stack.stop()


def _migrate(arguments: argparse.Namespace, commands: Commands) -> None:
    stack = Stack(prepare(arguments.settings, os.environ), arguments.data, commands)
    try:
        if stack.lock_data():  # else a running stack has the servers up
            stack.start_servers()
        stack.migrate()
    finally:
        stack.stop()


def _supergraph(_: argparse.Namespace, commands: Commands) -> None:
    supergraph.export_schemas()
    supergraph.compose(commands)


COMMANDS: dict[str, Callable[[argparse.Namespace, Commands], None]] = {
    "up": _up,
    "migrate": _migrate,
    "supergraph": _supergraph,
    "explorer": lambda _, commands: explorer.build(commands),
    "router": lambda _, commands: router_binary.bring(commands),
    "router-from-source": lambda _, commands: router_binary.build(commands),
    "demo": lambda arguments, commands: demo.demonstrate(arguments.url, commands.console),
}


if __name__ == "__main__":
    sys.exit(main())
