"""The command `passwords build-filter`."""

import argparse
import sys
from pathlib import Path

from subgraphs.auth.breached_passwords import InvalidFilterError, build


def add_commands(passwords: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of `passwords`."""
    text = "make the filter of leaked passwords that AUTH_BREACHED_PASSWORDS_FILE names"
    parser = passwords.add_parser("build-filter", help=text, description=text)
    parser.add_argument(
        "download",
        help="a text with a line for each password: SHA-1:count, as Have I Been Pwned has it, or "
        "the password; - for standard input",
    )
    parser.add_argument("output", type=Path, help="the file to write, 3 bytes for each password")
    parser.add_argument(
        "--at-least",
        type=int,
        default=1,
        metavar="COUNT",
        help="leave out passwords that were seen less often",
    )
    parser.set_defaults(run=_build)


def _build(arguments: argparse.Namespace) -> None:
    output: Path = arguments.output
    try:
        if arguments.download == "-":
            count = build(sys.stdin.buffer, output, at_least=arguments.at_least)
        else:
            with Path(arguments.download).open("rb") as lines:
                count = build(lines, output, at_least=arguments.at_least)
    except InvalidFilterError as error:
        sys.exit(f"auth: {arguments.download}: {error}")
    except OSError as error:
        sys.exit(f"auth: {error.filename}: {error.strerror}")
    print(f"{output}: {count} passwords, {output.stat().st_size / 1e6:.1f} MB")
