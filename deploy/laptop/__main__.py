"""The commands behind the Makefile: up, demo, migrate, supergraph, router and their like."""

import argparse
import os
import signal
import sys
from pathlib import Path

from deploy.laptop import demo, environment, router, router_binary, supergraph
from deploy.laptop.commands import Commands
from deploy.laptop.console import Console
from deploy.laptop.process import ROOT, Failed, Interrupted
from deploy.laptop.stack import Stack


def main() -> int:
    arguments = _parser().parse_args()
    console = Console()
    try:
        if arguments.command == "demo":
            return demo.run(arguments.url, console)
        return _supervise(arguments, console)
    except Failed as failure:
        console.error(str(failure))
        return 1
    except Interrupted:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.laptop", description=__doc__)
    parser.add_argument("--settings", type=Path, default=ROOT / ".env", help="the file of settings")
    parser.add_argument("--data", type=Path, default=ROOT / ".data", help="where the data lies")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start everything; Ctrl-C stops it")
    up.add_argument("--router", type=router.Kind, choices=list(router.Kind), help="which router")
    commands.add_parser("migrate", help="bring the databases up to date")
    commands.add_parser("supergraph", help="export the schemas and compose them")
    commands.add_parser("check-supergraph", help="fail when schemas or supergraph have drifted")
    commands.add_parser("router", help="bring the Apollo Router, by download or by building it")
    commands.add_parser("router-from-source", help="build the Apollo Router")
    showing = commands.add_parser("demo", help="two people use a running stack")
    showing.add_argument("--url", default=os.environ.get("CHIRP_URL", "http://127.0.0.1:4000"))
    return parser


def _supervise(arguments: argparse.Namespace, console: Console) -> int:
    if arguments.command in {"up", "migrate"}:
        return _run_stack(arguments, console)
    stop = _Stop()
    commands = Commands(console, stop.event)
    match arguments.command:
        case "supergraph":
            supergraph.export_schemas()
            supergraph.compose(commands)
        case "check-supergraph":
            supergraph.check(commands)
        case "router":
            router_binary.bring(commands)
        case "router-from-source":
            router_binary.build(commands)
    return 0
