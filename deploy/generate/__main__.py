"""Writes the generated files, or with --check names those that differ.

`python -m deploy.generate [--check] [ROOT]`
"""

import argparse
import sys
from pathlib import Path

from chassis.topology import ROOT, TopologyError, read
from deploy.generate.engine import GenerateError, differences, write
from deploy.generate.outputs import outputs


def main() -> int:
    """Return the exit status: 1 for an error, or for a difference that --check finds."""
    parser = argparse.ArgumentParser(prog="python -m deploy.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail on a difference")
    parser.add_argument("root", nargs="?", type=Path, default=ROOT, help="the repository")
    options = parser.parse_args()
    try:
        wanted = outputs(read(options.root))
        if not options.check:
            for path in write(options.root, wanted):
                print(path)
            return 0
        different = differences(options.root, wanted)
    except (TopologyError, GenerateError) as error:
        print(error, file=sys.stderr)
        return 1
    for path in different:
        print(f"{path} differs from services.toml. Run: make generate", file=sys.stderr)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
