"""Becomes another program, one that cannot outlive the process that started it.

Run by path, on a bare interpreter: `python -I -S child_guard.py PARENT SIGNAL USER -- PROGRAM …`.
On Linux the kernel sends SIGNAL to the program when the process PARENT dies, however it dies;
elsewhere only an orderly stop ends the program. With USER `nobody` the program runs in a user
namespace in which it is that user (PostgreSQL refuses to run as root); the owner of its files does
not change.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_NOBODY = 65534


def die_with_parent(signal: int) -> None:
    """Have the kernel send `signal` to this process when its parent dies. Linux only."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal))


def _become_nobody() -> None:
    user, group = os.geteuid(), os.getegid()
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER) != 0:
        reason = os.strerror(ctypes.get_errno())
        sys.exit(
            f"This program refuses to run as root, and the kernel refuses a user namespace "
            f"({reason}). Run as an ordinary user."
        )
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{_NOBODY} {user} 1"),
        ("gid_map", f"{_NOBODY} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 - pathlib is slow to import
            file.write(text)


def main() -> None:
    parent, signal, user, _, *command = sys.argv[1:]
    if sys.platform == "linux":
        if user == "nobody":
            _become_nobody()
        # A change of user clears the setting, so it follows.
        die_with_parent(int(signal))
        if os.getppid() != int(parent):
            sys.exit("The process that started this one has ended.")
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
