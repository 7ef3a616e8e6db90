"""The mailbox of a local stack: MailDev accepts every mail and shows it on a page."""

from collections.abc import Mapping
from pathlib import Path

from chassis.topology import declared
from stack import log_lines
from stack.commands import Commands
from stack.node import are_installed, install_packages
from stack.process import HttpProbe, Process

HOST = "127.0.0.1"
PACKAGES = Path(__file__).parent
_MAILDEV = PACKAGES / "node_modules" / "maildev" / "bin" / "maildev"


def is_wanted(settings: Mapping[str, str]) -> bool:
    """Return whether a service sends its mail to this machine.

    MAILBOX_PORT=0 means that another server accepts it there.
    """
    if not any(service.sends_mail for service in declared().services.values()):
        return False
    local = settings["MAIL_HOST"] in {HOST, "localhost"} and settings["MAIL_SECURITY"] == "none"
    return local and settings["MAILBOX_PORT"] != "0"


def address(settings: Mapping[str, str]) -> str:
    """Return the address of the mailbox's page."""
    return f"http://{HOST}:{settings['MAILBOX_PORT']}"


def is_installed() -> bool:
    """Return whether the packages of the mailbox are installed."""
    return are_installed(PACKAGES)


def mailbox(data: Path, settings: Mapping[str, str], commands: Commands, log: Path) -> Process:
    """Return the process, after installing its packages if they have changed."""
    node = install_packages(commands, PACKAGES)
    options = {
        "--smtp": settings["MAIL_PORT"],
        "--web": settings["MAILBOX_PORT"],
        "--ip": HOST,
        "--mail-directory": str(data / "mailbox"),
    }
    return Process(
        "mailbox",
        [node, _MAILDEV, "--silent", *(part for option in options.items() for part in option)],
        console=commands.console,
        ready=HttpProbe(f"{address(settings)}/healthz"),
        is_routine=log_lines.every,
        log=log,
    )
