"""Distributes the tests among several processes, each of which runs its own servers and stack."""

import re

from xdist.scheduler.loadscope import LoadScopeScheduling
from xdist.workermanage import WorkerController

from stack.router import Kind
from tests.stack import router_kinds

BROWSER = "tests/browser"
_KIND = re.compile(rf"[\[-]({'|'.join(Kind)})(?=[]-])")
"""The router among the parameters of a test."""


class StackScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives a process the tests of one file on one router; it keeps its router while it can.

    The files of a browser count as one, because a second browser would be short of processor time.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        found = _KIND.search(nodeid)
        if file.startswith(f"{BROWSER}/"):
            return f"{BROWSER} {found[1] if found else router_kinds()[0]}"
        return f"{file} {found[1]}" if found else file

    def _assign_work_unit(self, node: WorkerController) -> None:
        routers = [scope.partition(" ")[2] for scope in reversed(self.assigned_work[node])]
        current = next(filter(None, routers), "")
        same = (scope for scope in self.workqueue if scope.endswith(f" {current}"))
        if scope := next(same, None):
            self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)
