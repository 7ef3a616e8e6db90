"""Measure the cost of each layer on this machine: `make bench`, or `python -m bench`."""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.chain import authorisation, chain
from bench.growth import growth
from bench.machine import observed
from bench.rounds import Effort
from bench.sign_in import sign_in
from bench.start import start
from bench.testbed import Testbed, running_testbed
from bench.timeline import timeline
from bench.writes import writes

RESULTS = Path(__file__).with_name("results")

ROWS: dict[str, Callable[[Testbed, Effort], dict[str, Any]]] = {
    "timeline": timeline,
    "chain": chain,
    "authorisation": authorisation,
    "sign-in": sign_in,
    "writes": writes,
    "growth": growth,
    "start": start,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", default=list(ROWS), help=" ".join(ROWS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="per target and round")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--tweets", type=int, nargs="+", default=[10_000, 10_000_000])
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 1_000, 100_000])
    options = parser.parse_args()
    effort = Effort(
        options.rounds,
        options.seconds,
        options.connections,
        tuple(sorted(options.tweets)),
        tuple(sorted(options.sessions)),
    )
    RESULTS.mkdir(exist_ok=True)
    for name in options.rows:
        with observed() as machine, running_testbed() as testbed:
            found = ROWS[name](testbed, effort)
        found["ratios"] = [asdict(ratio) for ratio in found["ratios"]]
        found["run"] = {**machine, **asdict(effort)}
        text = json.dumps(found, indent=2, ensure_ascii=False)
        (RESULTS / f"{name}.json").write_text(text + "\n")
        show(found)


def show(found: dict[str, Any]) -> None:
    run = found["run"]
    print(f"\n{found['title']}: {run['took']:.0f} s, others used {run['cores of others']} cores")
    for figure in found["figures"]:
        print(f"  {figure.pop('name'):<48}", *(f"{k} {v:.5g}" for k, v in figure.items()))
    for ratio in found["ratios"]:
        print(f"    {ratio['what']:<70}{ratio['value']:>7.2f} {ratio['unit']}  {ratio['target']}")


if __name__ == "__main__":
    main()
