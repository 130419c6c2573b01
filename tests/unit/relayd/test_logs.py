import io
import json
import logging

import pytest

from relayd import logs


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


def test_a_traceback_is_part_of_its_line() -> None:
    stream = io.StringIO()
    logs.configure(stream, "info")

    logs.get_logger("net").error("incident", exc_info=KeyError("gone"))

    [line] = stream.getvalue().splitlines()
    assert "KeyError: 'gone'" in json.loads(line[3:])["exception"]


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
