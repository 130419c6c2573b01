import pytest

from relayproto import frame, message
from relayproto.codes import GoawayCode, Kind, Purpose
from relayproto.commands import GetRelayKeys
from relayproto.errors import LocalProtocolError
from relayproto.events import Closed, MessageReceived
from relayproto.limits import CONNECTION_LIFETIME_S, ENROL_TIMEOUT_S, PING_AFTER_S, PONG_TIMEOUT_S, REKEY_AFTER_S
from relayproto.notices import Drained, Goaway, Ping, Pong
from relayproto.states import State
from support.wire import WELCOME, a_client, a_relay, an_open_pair, converse


def test_messages_go_both_ways_with_their_request_numbers() -> None:
    relay, client = an_open_pair()

    client.send(GetRelayKeys(), 7)
    relay.send(Drained())
    converse(relay, client)

    assert relay.events() == [MessageReceived(7, GetRelayKeys())]
    assert client.events() == [MessageReceived(0, Drained())]


def test_a_connection_tells_whether_anything_waits_to_be_written() -> None:
    client = a_client()
    assert client.waiting  # its first handshake message

    client.data_to_send(0.0)
    assert not client.waiting

    _, client = an_open_pair()
    assert not client.waiting

    client.send(GetRelayKeys(), 7)
    assert client.waiting


def test_nothing_can_be_said_before_the_connection_is_open() -> None:
    with pytest.raises(LocalProtocolError, match="handshake"):
        a_client().send(GetRelayKeys())


def test_nothing_can_be_said_after_the_end() -> None:
    relay, _ = an_open_pair()
    relay.goaway(GoawayCode.BYE, reconnect=False)

    with pytest.raises(LocalProtocolError, match="closed"):
        relay.send(Drained())


def test_goaway_is_the_last_frame_and_names_the_reason() -> None:
    relay, client = an_open_pair()

    relay.send(Drained())
    relay.goaway(GoawayCode.RESTART, reconnect=True, after_ms=250)
    relay.goaway(GoawayCode.INTERNAL, reconnect=False)
    converse(relay, client)

    assert relay.closed
    assert client.closed
    assert [type(event) for event in client.events()] == [MessageReceived, Closed]
    assert relay.events() == [Closed(GoawayCode.RESTART, True, 250, by_peer=False, detail="RESTART")]


def test_what_comes_behind_goaway_is_not_read() -> None:
    relay, client = an_open_pair()
    client.send_frames((message.encode(Goaway(GoawayCode.BYE, False, 0)),))
    client.send(GetRelayKeys())

    relay.receive_data(client.data_to_send(0.0), 0.0)
    relay.receive_data(b"more", 0.0)

    [event] = relay.events()
    assert event == Closed(GoawayCode.BYE, False, 0, by_peer=True, detail="the peer went away")


def test_the_end_of_the_pipe_is_an_end_without_a_code() -> None:
    relay, _ = an_open_pair()

    relay.receive_eof(1.0)
    relay.receive_eof(1.0)

    assert relay.events() == [Closed(None, True, 0, by_peer=True, detail="the pipe ended")]
    assert relay.data_to_send(1.0) == b""


def test_a_ping_is_answered_inside() -> None:
    relay, client = an_open_pair()

    client.send(Ping(), 5)
    converse(relay, client)

    assert relay.events() == []
    assert client.events() == []


def test_a_silent_peer_is_asked_and_then_given_up() -> None:
    relay, _ = an_open_pair()

    assert relay.next_deadline() == PING_AFTER_S
    relay.handle_timeout(PING_AFTER_S - 1)
    assert relay.data_to_send(0.0) == b""
    relay.handle_timeout(PING_AFTER_S)
    assert relay.data_to_send(PING_AFTER_S) != b""
    assert relay.next_deadline() == PING_AFTER_S + PONG_TIMEOUT_S
    relay.handle_timeout(PING_AFTER_S + PONG_TIMEOUT_S)

    assert relay.closed
    assert [event.code for event in relay.events() if isinstance(event, Closed)] == [GoawayCode.IDLE]
    assert relay.next_deadline() is None
    relay.handle_timeout(1e9)


def test_anything_that_comes_counts_as_an_answer() -> None:
    relay, client = an_open_pair()
    relay.handle_timeout(PING_AFTER_S)

    converse(relay, client, PING_AFTER_S + 1)

    assert relay.next_deadline() == PING_AFTER_S + 1 + PING_AFTER_S


def test_a_connection_lives_a_day_and_is_renewed() -> None:
    relay, client = an_open_pair()

    relay.handle_timeout(CONNECTION_LIFETIME_S)
    converse(relay, client, CONNECTION_LIFETIME_S)

    assert relay.events() == [Closed(GoawayCode.RENEW, True, 0, by_peer=False, detail="RENEW")]
    assert [event.code for event in client.events() if isinstance(event, Closed)] == [GoawayCode.RENEW]


def test_an_enrolment_does_not_stay() -> None:
    relay, _ = an_open_pair(Purpose.ENROL)

    assert relay.next_deadline() == ENROL_TIMEOUT_S
    relay.handle_timeout(ENROL_TIMEOUT_S)

    assert [event.code for event in relay.events() if isinstance(event, Closed)] == [GoawayCode.TIMEOUT]


def test_new_keys_are_taken_on_the_way_and_nobody_notices() -> None:
    relay, client = an_open_pair()

    for turn in range(1, 4):
        now = turn * REKEY_AFTER_S
        relay.send(Drained())
        converse(relay, client, now)

    assert [event.message.KIND for event in client.events() if isinstance(event, MessageReceived)] == [Kind.DRAINED] * 3


def test_the_bytes_may_be_cut_anywhere() -> None:
    relay, client = a_relay(), a_client()
    relay.receive_data(client.data_to_send(0.0), 0.0)
    for octet in relay.data_to_send(0.0):
        client.receive_data(bytes([octet]), 0.0)
    for octet in client.data_to_send(0.0):
        relay.receive_data(bytes([octet]), 0.0)
    relay.events()
    relay.welcome(WELCOME)
    for octet in relay.data_to_send(0.0):
        client.receive_data(bytes([octet]), 0.0)

    assert client.state is State.OPEN
    assert client.events()[-1] == MessageReceived(0, WELCOME)


def test_what_came_can_be_taken_in_parts() -> None:
    relay, client = an_open_pair()
    for number in range(5):
        client.send(GetRelayKeys(), number)
    relay.keep_octets(client.data_to_send(0.0), 0.0)

    taken, more = [], True
    while more:
        more = relay.advance(0.0, 2)
        taken.append([event.request for event in relay.events()])

    assert taken == [[0, 1], [2, 3], [4]]


def test_whoever_has_taken_all_that_came_is_not_to_come_again() -> None:
    relay, client = an_open_pair()
    for number in range(2):
        client.send(GetRelayKeys(), number)
        relay.keep_octets(client.data_to_send(0.0), 0.0)

    assert [relay.advance(0.0), relay.advance(0.0)] == [True, False]
    assert [event.request for event in relay.events()] == [0, 1]


def test_what_is_not_whole_yet_is_taken_when_the_rest_has_come() -> None:
    relay, client = an_open_pair()
    client.send(GetRelayKeys(), 7)
    record = client.data_to_send(0.0)

    relay.keep_octets(record[:-1], 0.0)
    assert not relay.advance(0.0)
    relay.keep_octets(record[-1:], 0.0)
    assert not relay.advance(0.0)

    assert [event.request for event in relay.events()] == [7]


def test_nothing_is_taken_of_a_connection_that_has_ended_between_two_parts() -> None:
    relay, client = an_open_pair()
    for number in range(4):
        client.send(GetRelayKeys(), number)
    relay.keep_octets(client.data_to_send(0.0), 0.0)
    assert relay.advance(0.0, 2)

    relay.goaway(GoawayCode.BUSY, reconnect=True)

    assert not relay.advance(0.0, 2)
    assert len([event for event in relay.events() if isinstance(event, MessageReceived)]) == 2


def test_frames_that_ask_for_nothing_are_counted() -> None:
    relay, client = an_open_pair()
    for said in (Ping(), Pong(), GetRelayKeys()):
        client.send(said)
    client.send_frames((frame.encode(250, 1, ()),))

    converse(relay, client)

    assert relay.empty == 3
    assert client.empty == 1  # the PONG; what was refused is an answer
