"""`STRAWBERRY_COMPILED_EXAMPLES=20000` makes the property tests try more."""

import logging
import os

from hypothesis import HealthCheck, settings

EXAMPLES = os.environ.get("STRAWBERRY_COMPILED_EXAMPLES")

settings.register_profile(
    "differential",
    max_examples=int(EXAMPLES or "40"),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=EXAMPLES is None,
    database=None,
)
settings.load_profile("differential")

# Strawberry logs every error with its traceback, and pytest would format each several times.
logging.getLogger("strawberry.execution").disabled = True
