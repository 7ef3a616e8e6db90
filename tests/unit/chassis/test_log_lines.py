"""The content of log lines, and that a closed log fails no caller."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from chassis.logging import bound, configure_logging
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


def test_structlog_and_the_standard_library_write_the_same_fields() -> None:
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


def test_bound_fields_are_in_the_lines_of_their_block_only() -> None:
    output = io.StringIO()
    configure_logging("tweets", Stage.PRODUCTION, output)
    log = structlog.get_logger("chassis.test")
    with bound(request_id="r"):
        with bound(trace_id="t"):
            log.info("within both")
        log.info("within one")
    log.info("after")
    ids = [{k: v for k, v in line.items() if k.endswith("_id")} for line in lines(output)]
    assert ids == [{"request_id": "r", "trace_id": "t"}, {"request_id": "r"}, {}]


def test_value_that_json_lacks_is_written_as_text() -> None:
    output = io.StringIO()
    configure_logging("tweets", Stage.PRODUCTION, output)
    structlog.get_logger("chassis.test").info("said", cause=ValueError("why"))
    (line,) = lines(output)
    assert line["cause"] == "why"


def test_traceback_has_no_local_variables() -> None:
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
def test_closed_log_fails_no_caller(failure: type[Exception]) -> None:
    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise failure

    configure_logging("tweets", Stage.PRODUCTION, Closed())
    structlog.get_logger("chassis.test").info("said")
