"""The page of the log is what the code logs."""

import re

from relayd.events import EVENTS
from support.generate_logs_page import PATH, generate


def test_the_page_is_what_the_code_says() -> None:
    assert PATH.read_text(encoding="utf-8") == generate(), "make vectors writes it again"


def test_the_page_names_exactly_the_events_that_there_are() -> None:
    named = re.findall(r"^\| `([^`]+)` \|", PATH.read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(named) == sorted(event.name for event in EVENTS)
