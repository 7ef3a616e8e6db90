"""Measures what each layer costs on this machine: `python -m bench`, or `make bench`."""

import argparse
import json
import os
import platform
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

from bench.filling import fill
from bench.load import tool
from bench.rounds import Effort
from bench.stand import Stand, stand
from bench.timeline import timeline

RESULTS = Path(__file__).with_name("results")
READER = UUID("00000000-0000-7000-8000-00000000c0de")

Row = Callable[[Stand, UUID, Effort], dict[str, Any]]
ROWS: dict[str, Row] = {"timeline": timeline}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", default=list(ROWS), help=" ".join(ROWS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each target in one round")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--tweets", type=int, default=10_000, help="in the table")
    options = parser.parse_args()
    effort = Effort(options.rounds, options.seconds, options.connections)
    RESULTS.mkdir(exist_ok=True)
    for name in options.rows:
        with stand() as it:
            fill(it.superuser_url, READER, 0, options.tweets)
            found = ROWS[name](it, READER, effort)
        found["ratios"] = [asdict(ratio) for ratio in found["ratios"]]
        found["run"] = {**machine(), **asdict(effort), "tweets": options.tweets}
        (RESULTS / f"{name}.json").write_text(
            json.dumps(found, indent=2, ensure_ascii=False) + "\n"
        )
        show(found)


def machine() -> dict[str, object]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": cores,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load by": tool(),
    }


def show(found: dict[str, Any]) -> None:
    print(f"\n{found['title']}")
    for figure in found["figures"]:
        print(
            f"  {figure['name']:<48}{figure['rate']:>9.0f}/s"
            f"{figure['p50']:>9.2f} ms{figure['p99']:>9.2f} ms"
        )
    for ratio in found["ratios"]:
        print(f"    {ratio['what']:<46}{ratio['value']:>9.2f} x  {ratio['target']}")


if __name__ == "__main__":
    main()
