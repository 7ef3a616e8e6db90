"""`make up`: starts the stack, shows where it is, and stops it at Ctrl-C."""

import os
import shutil
from pathlib import Path

from chassis.topology import declared
from stack import supergraph
from stack.addresses import for_browser
from stack.box import box, plain
from stack.commands import Commands
from stack.console import Console
from stack.environment import prepare
from stack.explorer import EXPLORER
from stack.mailbox import address as mailbox_address
from stack.mailbox import is_wanted
from stack.preload import Preloader
from stack.process import StoppedError
from stack.router import VERSION, Kind, find_router
from stack.router_binary import RELEASE, Download
from stack.supervisor import Stack

_BUILDING = "  (is being built)"
_INSTALLING = "  (is being installed)"


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
        commands.console.write(welcome(stack, settings, commands.console, download))
        stack.wait()
    except StoppedError:
        pass
    finally:
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


def welcome(
    stack: Stack, settings: dict[str, str], console: Console, download: Download | None
) -> str:
    """Return the closing box: addresses, the router that serves, and further commands.

    Without a terminal it is plain lines.
    """
    url, mail = for_browser(stack.url("edge")), for_browser(mailbox_address(settings))
    missing = stack.missing_pages
    rows = [
        *([("Explorer", url + _BUILDING * (EXPLORER in missing))] if stack.has_explorer else []),
        ("API", f"{url}/graphql"),
        ("Mail", mail + _INSTALLING * ("mailbox" in missing) if is_wanted(settings) else "is sent"),
        ("Router", describe_router(stack.kind, download)),
        ("More", "make demo, make status, make logs (in another terminal)"),
        ("Stop", "Ctrl-C"),
    ]
    title = f"{declared().project.title} is up"
    if not console.is_terminal:
        return plain(title, rows)
    return box(title, rows, shutil.get_terminal_size().columns)


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
    remedy = "make router tries again, and else builds it, in some 25 minutes"
    return f"{stand_in}, which could not be downloaded ({download.problem}); {remedy}"
