"""A log line is written in full, and a log that nobody reads any more fails nothing."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from chassis.logging import configure_logging
from chassis.settings import Stage


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root, handlers = logging.getLogger(), logging.getLogger().handlers[:]
    configured = structlog.get_config()
    yield
    structlog.configure(**configured)
    root.handlers[:] = handlers


def lines(output: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_both_ways_to_log_look_the_same() -> None:
    output = io.StringIO()
    configure_logging("tweets", Stage.PRODUCTION, output)
    structlog.get_logger("chassis.test").info("said", number=1)
    logging.getLogger("chassis.test").info("said")
    ours, theirs = lines(output)
    assert ours.pop("number") == 1
    for line in (ours, theirs):
        assert line.pop("timestamp")
        assert line == {
            "event": "said",
            "level": "info",
            "logger": "chassis.test",
            "service": "tweets",
        }


def test_a_traceback_is_told_without_local_variables() -> None:
    output = io.StringIO()
    configure_logging("tweets", Stage.PRODUCTION, output)

    def fail() -> None:
        password = "hunter" + "2"
        raise ValueError(len(password))

    try:
        fail()
    except ValueError:
        structlog.get_logger("chassis.test").exception("failed")
    (line,) = lines(output)
    assert line["level"] == "error"
    assert "ValueError" in str(line["exception"])
    assert "hunter2" not in output.getvalue()


@pytest.mark.parametrize("failure", [BrokenPipeError, ValueError])
def test_a_reader_that_is_gone_fails_nobody(failure: type[Exception]) -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise failure

    configure_logging("tweets", Stage.PRODUCTION, Gone())
    structlog.get_logger("chassis.test").info("said")
