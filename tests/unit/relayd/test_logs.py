import io
import json
import logging
import sqlite3
from collections.abc import Callable

import pytest

from relayd import logs
from relayproto.errors import Malformed


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


def test_an_event_is_one_json_line_with_the_journals_priority() -> None:
    stream = io.StringIO()
    logs.configure(stream, "info")

    logs.get_logger("store").warning("disk", percent=91)

    [line] = stream.getvalue().splitlines()
    assert line.startswith("<4>{")
    event = json.loads(line[3:])
    assert event.pop("at").endswith("Z")
    assert event == {"room": "store", "event": "disk", "percent": 91, "level": "warning"}


@pytest.mark.parametrize(
    ("level", "priority"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3), ("critical", 2)]
)
def test_each_level_has_its_priority(level: str, priority: int) -> None:
    stream = io.StringIO()
    logs.configure(stream, "debug")

    logs.get_logger("app").log(logging.getLevelNamesMapping()[level.upper()], "said")

    assert stream.getvalue().startswith(f"<{priority}>")


def test_what_is_below_the_level_is_not_written() -> None:
    stream = io.StringIO()
    logs.configure(stream, "warning")

    logs.get_logger("app").info("quiet")

    assert stream.getvalue() == ""


def caught(raising: Callable[[], object]) -> Exception:
    try:
        raising()
    except Exception as error:  # noqa: BLE001 - whatever a test wants to see written
        return error
    raise AssertionError("nothing was raised")


def written(error: object) -> str:
    """Return the traceback of an incident as it is written."""
    stream = io.StringIO()
    logs.configure(stream, "info")
    logs.get_logger("relay").error("incident", exc_info=error)
    [line] = stream.getvalue().splitlines()
    return json.loads(line[3:]).get("exception", "")


def test_a_traceback_is_part_of_its_line_and_has_no_values() -> None:
    def nested() -> None:
        try:
            {}[b"canary"]
        except KeyError as error:
            raise ValueError("canary") from error

    said = written(caught(nested))

    assert "in nested" in said
    assert said.splitlines()[-1] == "KeyError"
    assert "ValueError\nbecause of\n" in said
    assert "canary" not in "".join(line for line in said.splitlines() if not line.startswith("    "))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(5, "Input/output error"), "OSError: [Errno 5] Input/output error"),
        (sqlite3.OperationalError("database is locked"), "sqlite3.OperationalError: database is locked"),
        (Malformed("not a boolean"), "relayproto.errors.Malformed: "),
    ],
)
def test_what_never_has_a_persons_values_may_speak(error: Exception, said: str) -> None:
    assert said in written(error)


def test_a_chain_of_exceptions_has_an_end() -> None:
    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first

    assert written(first).count("ValueError") == 8


def test_no_exception_is_no_traceback() -> None:
    assert written(None) == ""


class Minutes:
    """A log with a limiter, and a clock that a test turns."""

    def __init__(self, **limits: int) -> None:
        self.now, self.stream = 0.0, io.StringIO()
        self.limiter = logs.Limiter(lambda: self.now, limits)
        logs.configure(self.stream, "debug", self.limiter)

    def events(self) -> list[dict[str, object]]:
        said, self.stream = self.stream.getvalue(), io.StringIO()
        logs.configure(self.stream, "debug", self.limiter)
        return [json.loads(line[3:]) for line in said.splitlines()]


def test_of_one_event_so_many_lines_a_minute_are_written_and_the_rest_is_counted() -> None:
    minutes, log = Minutes(scan=3), logs.get_logger("net")
    for _ in range(10):
        log.info("scan")
    log.info("else")
    minutes.limiter.tell()
    first = minutes.events()
    minutes.now = 59.9
    minutes.limiter.tell()
    log.info("scan")
    before = minutes.events()
    minutes.now = 60.0
    minutes.limiter.tell()
    minutes.limiter.tell()
    log.info("scan")
    after = minutes.events()

    assert [event["event"] for event in first] == ["scan"] * 3 + ["else"]
    assert before == []
    assert [(event["event"], event.get("of"), event.get("count")) for event in after] == [
        ("lines were left out", "scan", 8), ("scan", None, None),
    ]  # fmt: skip


def test_a_quiet_minute_says_nothing() -> None:
    minutes = Minutes(scan=3)
    logs.get_logger("net").info("scan")
    minutes.now = 61.0

    minutes.limiter.tell()

    assert [event["event"] for event in minutes.events()] == ["scan"]


def test_the_limits_are_those_of_the_list() -> None:
    minutes = Minutes()
    minutes.limiter = logs.Limiter(lambda: minutes.now)
    logs.configure(minutes.stream, "debug", minutes.limiter)
    for _ in range(100):
        logs.get_logger("net").info("a handshake failed")
        logs.get_logger("relay").error("incident")

    said = [event["event"] for event in minutes.events()]

    assert (said.count("a handshake failed"), said.count("incident")) == (6, 60)


def test_a_value_that_json_does_not_know_is_written_as_its_repr() -> None:
    stream = io.StringIO()
    logs.configure(stream, "info")

    logs.get_logger("app").info("said", value=1j)

    assert json.loads(stream.getvalue()[3:])["value"] == "1j"


def test_on_a_terminal_it_is_a_line_to_read() -> None:
    stream = Terminal()
    logs.configure(stream, "info")

    logs.get_logger("app").info("ready", devices="127.0.0.1:7443")

    assert "ready" in stream.getvalue()
    assert not stream.getvalue().startswith("<")
