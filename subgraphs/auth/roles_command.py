"""The command that assigns roles to an account: `python -m subgraphs.auth accounts roles …`."""

import argparse
import sys

from subgraphs.auth.accounts_command import Act, Open, account_parser, acting
from subgraphs.auth.errors import UnknownRole
from subgraphs.auth.policy import USER

_UNKNOWN_ROLE = 2
"""The exit status if no service declares the role."""


def add_roles(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", open_operators: Open
) -> None:
    """Add the command to the group of those on accounts."""
    text = "give an account these roles and no others, and end all sessions"
    parser = account_parser(commands, "roles", text)
    parser.add_argument("roles", nargs="+", metavar="role", help=f"`{USER}` for no further role")

    def run(arguments: argparse.Namespace) -> None:
        named = ", ".join(sorted({USER, *arguments.roles}))
        act = Act(
            "roles",
            text,
            lambda operators, login, reason: operators.change_roles(login, arguments.roles, reason),
            f"in the roles {named}",
            f"in the roles {named} before",
        )
        try:
            acting(act, open_operators)(arguments)
        except UnknownRole as error:
            sys.stderr.write(f"auth: {error}\n")
            sys.exit(_UNKNOWN_ROLE)

    parser.set_defaults(run=run)
