from relayd.events import EVENTS, LINES_A_MINUTE


def test_an_event_has_so_many_lines_a_minute_unless_it_says_otherwise() -> None:
    limits = {event.name: event.a_minute for event in EVENTS}

    assert limits["incident"] == LINES_A_MINUTE
    assert limits["a handshake failed"] < LINES_A_MINUTE < limits["connection ended"]
