"""The example of README.md runs, and prints what README.md says."""

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_example_prints_what_the_readme_shows() -> None:
    example = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    shown = example.partition("print(")[2].splitlines()[1:]
    done = subprocess.run(
        [sys.executable, "-c", example], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [line.removeprefix("# ") for line in shown]
