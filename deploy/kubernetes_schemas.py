"""Validates manifests against the schemas of several versions of Kubernetes.

`.venv/validators/bin/python deploy/kubernetes_schemas.py 1.33,1.37 FILE…`. The program of the same
library, `kubernetes-validate`, would read the schemas again for every object.
"""

import functools
import sys
from pathlib import Path

import yaml
from kubernetes_validate import utils  # type: ignore[import-not-found]

utils.schema_contents = functools.cache(utils.schema_contents)


def main(versions: list[str], files: list[Path]) -> int:
    """Print every problem. Return the status of the process."""
    statuses: list[int] = [
        utils.validate_resource(resource, file.name, version, strict=True, quiet=True, no_warn=True)
        for file in files
        for resource in yaml.load_all(file.read_text(), Loader=yaml.CSafeLoader)
        for version in versions
        if resource
    ]
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].split(","), [Path(name) for name in sys.argv[2:]]))
