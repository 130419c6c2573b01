"""endings.py: why a connection ended, in words, and whether it is worth another try."""

import socket

import pytest

from relayclient import endings
from relayclient.errors import DeviceRemoved, RelayRefused, Superseded
from relayproto.codes import GoawayCode
from relayproto.events import Closed

PLACE = "relay.example:7443"


def closed(code, *, reconnect=True, by_peer=True):
    return Closed(code, reconnect, 0, by_peer, "detail")


TURNED_AWAY = f"{PLACE} broke off as we came: most likely it has too many connections for now, or too many from here"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ConnectionRefusedError(111, "refused"), "relay.example:7443 refuses connections: no relay runs there now"),
        (
            ConnectionResetError(104, "Connection reset by peer"),
            TURNED_AWAY,
        ),
        (TimeoutError(), "relay.example:7443 does not answer"),
        (socket.gaierror(-2, "unknown"), "the name in relay.example:7443 cannot be found"),
        (OSError(101, "Network is unreachable"), "relay.example:7443: Network is unreachable"),
        (OSError("odd"), "relay.example:7443: odd"),
    ],
)
def test_no_connection_is_told_by_its_cause(error, sentence):
    assert endings.unreachable(error, PLACE) == sentence


@pytest.mark.parametrize(
    ("ended", "established", "sentence"),
    [
        (closed(None), False, f"{PLACE} broke off before it showed that it holds the relay key of the invitation"),
        (closed(GoawayCode.BAD_HANDSHAKE, by_peer=False), False,
         f"what runs at {PLACE} does not hold the relay key of the invitation"),
        (closed(GoawayCode.TIMEOUT, by_peer=False), False, f"what runs at {PLACE} does not answer as a relay"),
        (closed(None), True, f"the connection to {PLACE} broke"),
        (closed(GoawayCode.RESTART), True, "the relay restarts"),
        (closed(GoawayCode.BAD_ACK), True, "the connection ended with BAD_ACK"),
        (closed(77), True, "the connection ended with code 77"),
    ],
)  # fmt: skip
def test_an_ended_connection_is_told_by_its_cause(ended, established, sentence):
    assert endings.reason(ended, PLACE, established=established, reset=False) == sentence


@pytest.mark.parametrize(
    ("established", "sentence"), [(False, TURNED_AWAY), (True, f"the connection to {PLACE} broke")]
)
def test_who_is_reset_before_the_relay_has_shown_itself_was_turned_away(established, sentence):
    assert endings.reason(closed(None), PLACE, established=established, reset=True) == sentence


@pytest.mark.parametrize(
    ("ended", "verdict"),
    [
        (closed(GoawayCode.RESTART), type(None)),
        (closed(None), type(None)),
        (closed(GoawayCode.SUPERSEDED, reconnect=False), Superseded),
        (closed(GoawayCode.SUPERSEDED, reconnect=True), Superseded),
        (closed(GoawayCode.AUTHENTICATION, reconnect=False), DeviceRemoved),
        (closed(GoawayCode.BAD_SUBMISSION, reconnect=False), RelayRefused),
    ],
)
def test_goaway_decides_about_coming_back_and_superseded_never_does(ended, verdict):
    assert type(endings.verdict(ended)) is verdict


def test_what_we_have_ended_ourselves_is_told_by_our_reason_though_a_reset_came_too():
    ended = closed(GoawayCode.TIMEOUT, by_peer=False)

    assert (
        endings.reason(ended, PLACE, established=False, reset=True)
        == f"what runs at {PLACE} does not answer as a relay"
    )
