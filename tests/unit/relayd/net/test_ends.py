import pytest
import structlog

from relayd.metrics import Counters
from relayd.net import ends
from relayproto.codes import GoawayCode
from relayproto.events import Closed


def of(code: int | None, *, shown: bool, by_peer: bool = False) -> tuple[Counters, list[tuple[str, str]]]:
    """End a connection; return the counters and what was logged, each with its level."""
    counters = Counters()
    with structlog.testing.capture_logs() as logged:
        ends.ended(Closed(code, by_peer=by_peer, reconnect=True, after_ms=0, detail="why"), counters, shown=shown)
    return counters, [(event["event"], event["log_level"]) for event in logged]


def test_a_refused_connection_is_counted_and_told_by_its_limit_alone() -> None:
    counters = Counters()

    with structlog.testing.capture_logs() as logged:
        ends.refused("half_open", counters)

    assert counters.connections_refused == {"half_open": 1}
    assert logged == [{"event": "a connection was refused", "limit": "half_open", "room": "net", "log_level": "info"}]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (GoawayCode.BAD_PREFACE, "preface"), (GoawayCode.BAD_HANDSHAKE, "handshake"), (GoawayCode.TIMEOUT, "timeout"),
        (GoawayCode.AUTHENTICATION, "authentication"), (GoawayCode.RATE, "rate"), (GoawayCode.BUSY, "other"),
    ],
)  # fmt: skip
def test_a_handshake_that_failed_has_its_reason(code: GoawayCode, reason: str) -> None:
    counters, logged = of(code, shown=False)

    assert (counters.handshakes_failed, counters.connections_closed) == ({reason: 1}, {code: 1})
    assert logged == [("a handshake failed", "info"), ("connection ended", "debug")]


def test_who_only_looks_whether_the_port_is_open_is_no_news() -> None:
    counters, logged = of(None, shown=False)

    assert (counters.handshakes_failed, counters.connections_closed) == ({"eof": 1}, {0: 1})
    assert logged == [("connection ended", "debug")]


@pytest.mark.parametrize(
    ("code", "by_peer", "told"),
    [
        (GoawayCode.BAD_FRAME, False, True), (GoawayCode.TIMEOUT, False, True), (GoawayCode.BAD_FRAME, True, False),
        (GoawayCode.AUTHENTICATION, False, False), (GoawayCode.RENEW, False, False),
    ],
)  # fmt: skip
def test_a_device_that_broke_the_protocol_is_told_and_an_orderly_end_is_not(
    code: GoawayCode, by_peer: bool, told: bool
) -> None:
    counters, logged = of(code, shown=True, by_peer=by_peer)

    assert counters.handshakes_failed == {}
    assert (("a device broke the protocol", "info") in logged) is told
