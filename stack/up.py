"""`make up`: starts the stack, shows where it is, and stops it at Ctrl-C."""

import os
from pathlib import Path

from stack import supergraph
from stack.commands import Commands
from stack.environment import prepare
from stack.explorer import EXPLORER
from stack.mailbox import address as mailbox_address
from stack.mailbox import is_wanted
from stack.preload import Preloader
from stack.process import StoppedError
from stack.router import VERSION, Kind, find_router
from stack.router_binary import RELEASE, Download
from stack.supervisor import Stack

_BUILDING = "  (is being built: about half a minute)"
_INSTALLING = "  (is being installed)"
WELCOME = Path(__file__).with_name("welcome.txt")


def run(
    commands: Commands,
    settings_file: Path,
    data: Path,
    kind: Kind | None,
    preloader: Preloader | None,
) -> None:
    """Raises StackError when the stack cannot start, or a process ends."""
    supergraph.refresh(commands)
    settings = prepare(settings_file, os.environ)
    download = begin_download(commands, settings, kind)
    stack = Stack(settings, data, commands, kind, preloader=preloader, download=download)
    try:
        stack.start()
        commands.console.write(welcome(stack, settings, data, download))
        stack.wait()
    except StoppedError:
        pass
    finally:
        commands.console.step("Stopping")
        stack.stop()


def begin_download(
    commands: Commands, settings: dict[str, str], kind: Kind | None
) -> Download | None:
    """Begin to download the Apollo Router if it is wanted and not installed."""
    if kind is Kind.STAND_IN or find_router(settings) is not None:
        return None
    download = Download(commands, settings.get("ROUTER_RELEASE_URL") or RELEASE)
    download.start()
    return download


def welcome(stack: Stack, settings: dict[str, str], data: Path, download: Download | None) -> str:
    """Return the closing box: addresses, the router that serves, and further commands."""
    url = stack.url("edge").replace("127.0.0.1", "localhost")
    mailbox = mailbox_address(settings) if is_wanted(settings) else "none: mail is sent"
    return WELCOME.read_text().format(
        url=url,
        building=_BUILDING if EXPLORER in stack.missing_pages else "",
        mailbox=mailbox,
        installing=_INSTALLING if "mailbox" in stack.missing_pages else "",
        router=describe_router(stack.kind, download),
        data=data,
    )


def describe_router(kind: Kind, download: Download | None) -> str:
    """Return which router serves, and why it is the stand-in."""
    if kind is Kind.ROUTER:
        return f"the Apollo Router {VERSION}"
    stand_in = "Apollo's Node gateway, the stand-in for the Apollo Router"
    if download is None:
        return stand_in
    if download.running:
        return f"{stand_in}, which is still downloading and serves from the next start"
    if not download.problem:
        return f"{stand_in}, which serves from the next start"
    return f"{stand_in}, which could not be downloaded ({download.problem}). Remedy: make router"
