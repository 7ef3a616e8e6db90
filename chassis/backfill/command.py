"""The command `python -m <service> backfill`."""

import argparse
import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from chassis.backfill.progress import Progress
from chassis.backfill.runner import OUTAGES, Backfill
from chassis.logging import configure_logging
from chassis.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)


def add_backfill(
    add: Callable[..., argparse.ArgumentParser],
    service: str,
    read_settings: Callable[[], S],
    open_backfill: Callable[[S], AbstractAsyncContextManager[Backfill]],
) -> None:
    """Add the command to a command line. `add` is `add_parser` of argparse.

    The command applies all remaining pages and prints the progress after each. It exits with status
    1 during an outage; the next run continues from there.
    """

    def run(arguments: argparse.Namespace) -> None:
        settings = read_settings()
        configure_logging(service, settings.stage)
        asyncio.run(_run(open_backfill(settings), again=arguments.again))

    text = "fetch the current state of the services whose events are consumed"
    parser = add("backfill", help=text, description=f"{text}; continues an interrupted backfill")
    parser.add_argument("--again", action="store_true", help="start again from the first page")
    parser.set_defaults(run=run)


async def _run(opened: AbstractAsyncContextManager[Backfill], *, again: bool) -> None:
    try:
        async with opened as backfill:
            for owner in backfill.owners:
                if again:
                    await backfill.again(owner)
                elif (await backfill.progress(owner)).finished:
                    print(f"{owner}: already finished; --again starts from the first page")
                    continue
                await backfill.run(owner, _print)
    except OUTAGES as error:
        sys.exit(f"backfill interrupted: {error}. Run the command again to continue.")


def _print(progress: Progress) -> None:
    state = "finished" if progress.finished else "applied"
    print(f"{progress.owner}: {progress.events} events {state}", flush=True)
