import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relayproto import message, noise
from relayproto.codes import Code, GoawayCode, Kind, Purpose, Suite, Transport
from relayproto.commands import GetCode, GetRelayKeys, Invite, Lookup
from relayproto.connection import ClientConnection, RelayConnection
from relayproto.errors import LocalProtocolError
from relayproto.events import Closed, DescriptorReceived, EnrolmentOpened, Established, HelloReceived, MessageReceived
from relayproto.frame import encode
from relayproto.limits import (
    ENROL_COMMANDS_MAX,
    HANDSHAKE_TIMEOUT_S,
    PING_AFTER_S,
    PREFACE_TIMEOUT_S,
    UNAUTHENTICATED_BYTES_MAX,
    WELCOME_TIMEOUT_S,
)
from relayproto.noise import HandshakeState
from relayproto.notices import Drained, Ping, Pong
from relayproto.preface import Preface
from relayproto.primitives import x25519_public
from relayproto.record import pack, prefixed
from relayproto.replies import Refused
from relayproto.states import State
from support.samples import SAMPLES
from support.wire import ALICE_KEY, DESCRIPTOR, HELLO, RELAY_KEY, WELCOME, a_client, a_relay, an_open_pair, converse


def ended(connection: RelayConnection | ClientConnection) -> Closed:
    closed = connection.events()[-1]
    assert isinstance(closed, Closed)
    return closed


@pytest.mark.parametrize("suite", list(Suite))
def test_a_device_is_greeted_and_the_connection_opens(suite: Suite) -> None:
    relay, client = a_relay(suites=frozenset(Suite)), a_client(suite=suite)

    converse(relay, client)
    assert relay.events() == [HelloReceived(HELLO, x25519_public(ALICE_KEY))]
    assert [type(event) for event in client.events()] == [Established]
    relay.welcome(WELCOME)
    converse(relay, client)

    assert relay.open
    assert client.open
    assert client.events() == [MessageReceived(0, WELCOME)]
    assert (relay.purpose, relay.key_id) == (Purpose.DEVICE, 1)


def test_what_goes_over_the_wire_has_the_lengths_of_the_spec() -> None:
    relay, client = a_relay(), a_client()

    first = client.data_to_send(0.0)
    relay.receive_data(first, 0.0)
    second = relay.data_to_send(0.0)
    client.receive_data(second, 0.0)
    third = client.data_to_send(0.0)

    assert (len(first), len(second), len(third)) == (12 + 2 + 1248, 2 + 1152, 2 + 48 + 256 + 16)


def test_an_enrolment_opens_without_hello() -> None:
    relay, client = a_relay(), a_client(Purpose.ENROL)

    converse(relay, client)

    assert relay.events() == [EnrolmentOpened()]
    assert client.open


def test_a_relay_without_the_key_says_which_it_has() -> None:
    relay, client = a_relay(), a_client(key_id=2)

    converse(relay, client)

    assert ended(relay).code is GoawayCode.BAD_PREFACE
    assert client.events()[0] == DescriptorReceived(DESCRIPTOR)
    assert client.closed


def test_the_plain_suite_is_off_unless_it_is_allowed() -> None:
    relay, client = a_relay(), a_client(suite=Suite.PLAIN_XK)

    converse(relay, client)

    assert client.events()[0] == DescriptorReceived(DESCRIPTOR)


def test_another_protocol_gets_no_answer() -> None:
    relay = a_relay()

    relay.receive_data(b"GET / HTTP/1.1\r\n\r\n", 0.0)

    assert ended(relay).detail == "not our protocol"
    assert relay.data_to_send(0.0) == b""


def test_a_client_with_another_relays_key_fails_and_learns_nothing() -> None:
    relay = a_relay()
    client = ClientConnection(
        purpose=Purpose.DEVICE, relay_key=x25519_public(bytes(32)), key_id=1, hello=HELLO, static_key=ALICE_KEY,
        entropy=lambda count: bytes(range(count)), now=0.0,
    )  # fmt: skip

    relay.receive_data(client.data_to_send(0.0), 0.0)

    assert ended(relay).code is GoawayCode.BAD_HANDSHAKE
    assert relay.data_to_send(0.0) == b""


def test_a_relay_that_does_not_hold_the_key_is_found_out() -> None:
    client = a_client()
    client.data_to_send(0.0)

    client.receive_data(prefixed(bytes(1152)), 0.0)

    assert ended(client).detail == "the relay does not hold the key that we named"


@pytest.mark.parametrize("flip", [5, 7, 8, 20, 700])
def test_a_changed_bit_in_the_first_flight_breaks_the_handshake(flip: int) -> None:
    relay, client = a_relay(), a_client()
    first = bytearray(client.data_to_send(0.0))
    first[flip] ^= 1

    relay.receive_data(bytes(first), 0.0)

    assert relay.closed


def test_a_peer_that_is_not_known_may_not_say_much() -> None:
    relay, client = a_relay(), a_client()
    relay.receive_data(client.data_to_send(0.0), 0.0)

    relay.receive_data(bytes(UNAUTHENTICATED_BYTES_MAX), 0.0)

    assert ended(relay).detail == "too much before authentication"


@pytest.mark.parametrize(("octets", "at"), [(b"", PREFACE_TIMEOUT_S), (b"RLY1", PREFACE_TIMEOUT_S)])
def test_a_preface_that_does_not_come_is_not_waited_for(octets: bytes, at: float) -> None:
    relay = a_relay()
    relay.receive_data(octets, 0.0)

    assert relay.next_deadline() == at
    relay.handle_timeout(at)

    assert ended(relay).code is GoawayCode.TIMEOUT
    assert relay.data_to_send(at) == b""


def test_a_handshake_has_ten_seconds_in_all() -> None:
    relay, client = a_relay(), a_client()
    relay.receive_data(client.data_to_send(0.0), 4.0)

    assert relay.next_deadline() == HANDSHAKE_TIMEOUT_S
    assert client.next_deadline() == HANDSHAKE_TIMEOUT_S


def test_a_client_whose_handshake_is_not_answered_comes_back() -> None:
    client = a_client()

    client.handle_timeout(HANDSHAKE_TIMEOUT_S)

    closed = ended(client)
    assert (closed.code, closed.reconnect) == (GoawayCode.TIMEOUT, True)


def test_a_welcome_that_does_not_come_is_not_waited_for() -> None:
    relay, client = a_relay(), a_client()
    converse(relay, client, 3.0)

    assert client.next_deadline() == 3.0 + WELCOME_TIMEOUT_S
    client.handle_timeout(3.0 + WELCOME_TIMEOUT_S)

    closed = ended(client)
    assert (closed.code, closed.reconnect) == (GoawayCode.TIMEOUT, True)


def test_a_welcome_that_is_late_opens_the_connection_for_a_day() -> None:
    relay, client = a_relay(), a_client()
    converse(relay, client)
    relay.welcome(WELCOME)

    converse(relay, client, WELCOME_TIMEOUT_S - 1)
    client.handle_timeout(WELCOME_TIMEOUT_S)

    assert client.open
    assert client.next_deadline() == WELCOME_TIMEOUT_S - 1 + PING_AFTER_S


def test_a_second_welcome_is_no_message() -> None:
    relay, client = an_open_pair()

    with pytest.raises(LocalProtocolError):
        relay.welcome(WELCOME)
    relay.send(WELCOME)
    converse(relay, client)

    assert client.events() == []


def test_a_record_before_welcome_is_out_of_turn() -> None:
    relay, client = a_relay(), a_client()
    converse(relay, client)
    relay.receive_data(b"\x01\x10" + bytes(100), 0.0)
    assert not relay.closed

    relay.receive_data(bytes(172), 0.0)

    assert ended(relay).code is GoawayCode.BAD_STATE


def third_message(payload: bytes, *, first_payload: bytes = b"") -> RelayConnection:
    """Play a client that follows Noise to the letter and the spec not."""
    relay = a_relay(suites=frozenset(Suite))
    wanted = Preface(Suite.PLAIN_XK, Purpose.DEVICE, 1)
    handshake = HandshakeState(
        protocol=noise.XK, initiator=True, prologue=wanted.prologue(Transport.TCP), s=ALICE_KEY,
        rs=x25519_public(RELAY_KEY), entropy=lambda count: bytes(range(count)),
    )  # fmt: skip
    relay.receive_data(wanted.encode() + prefixed(handshake.write_message(first_payload)), 0.0)
    if not relay.closed:
        handshake.read_message(relay.data_to_send(0.0)[2:])
        relay.receive_data(prefixed(handshake.write_message(payload)), 0.0)
    return relay


@pytest.mark.parametrize(
    "payload",
    [b"", bytes(256), pack([message.encode(HELLO)])[0] + b"\x00", pack([message.encode(HELLO)] * 2)[0],
     pack([message.encode(Ping())])[0]],
)  # fmt: skip
def test_a_third_message_that_is_not_one_padded_hello_is_refused(payload: bytes) -> None:
    assert ended(third_message(payload)).detail == "message 3 is not one HELLO"


def test_a_first_message_with_a_payload_is_refused() -> None:
    assert ended(third_message(b"", first_payload=b"x")).detail == "message 1 carries a payload"


def test_a_hello_that_is_malformed_is_the_peers_fault() -> None:
    assert ended(third_message(pack([encode(1, 0, [1, 2, 3])])[0])).code is GoawayCode.BAD_FRAME


@pytest.mark.parametrize("said", [Invite("mallory@gad.example", 60), HELLO, Drained()])
def test_what_a_device_may_not_ask_looks_like_what_nobody_knows(said: message.Message) -> None:
    relay, client = an_open_pair()

    client.send(said, 3)
    client.send_frames((encode(127, 4, []),))
    converse(relay, client)

    refusal = Refused(Code.UNSUPPORTED, 0)
    assert relay.open
    assert client.events() == [MessageReceived(3, refusal), MessageReceived(4, refusal)]


def test_who_enrols_may_ask_nothing_else() -> None:
    relay, client = an_open_pair(Purpose.ENROL)

    client.send(Lookup("bob@gad.example"), 1)
    converse(relay, client)

    assert client.events() == [MessageReceived(1, Refused(Code.UNSUPPORTED, 0))]


def test_who_has_no_account_says_so_much_on_a_connection_and_no_more() -> None:
    relay, client = an_open_pair(Purpose.ENROL)

    for request in range(ENROL_COMMANDS_MAX):
        client.send(GetCode("bob@mail.example"), request)
    converse(relay, client)
    taken = len(relay.events())
    client.send(GetCode("bob@mail.example"), 99)
    converse(relay, client)

    assert taken == ENROL_COMMANDS_MAX
    assert ended(relay).code is GoawayCode.BAD_STATE


@pytest.mark.parametrize("kind", [Kind.ENROL, Kind.GET_CODE, Kind.REGISTER])
def test_what_is_for_who_has_no_account_is_not_for_a_device(kind: Kind) -> None:
    relay, client = an_open_pair()

    client.send(SAMPLES[kind], 1)
    converse(relay, client)

    assert client.events() == [MessageReceived(1, Refused(Code.UNSUPPORTED, 0))]


def test_a_bulk_connection_takes_larger_records() -> None:
    relay, client = an_open_pair(Purpose.BULK)

    for request in range(1, 3001):
        client.send(GetRelayKeys(), request)
    octets = client.data_to_send(0.0)
    relay.receive_data(octets, 0.0)

    assert octets[:2] == (65_535).to_bytes(2, "big")
    assert relay.open


def test_a_device_ignores_a_kind_that_it_does_not_know() -> None:
    relay, client = an_open_pair()

    relay.send_frames((encode(191, 0, ["new"]),))
    relay.send(Drained())
    converse(relay, client)

    assert client.events() == [MessageReceived(0, Drained())]


@pytest.mark.parametrize("said", [Drained(), Ping(), Pong()])
def test_anything_before_welcome_ends_the_clients_side(said: message.Message) -> None:
    relay, client = a_relay(), a_client()
    converse(relay, client)
    assert relay._channel is not None
    relay._channel.queue.append(message.encode(said))

    converse(relay, client)

    assert ended(client).code is GoawayCode.BAD_STATE


def test_a_goaway_may_come_instead_of_welcome() -> None:
    relay, client = a_relay(), a_client()
    converse(relay, client)

    relay.goaway(GoawayCode.AUTHENTICATION, reconnect=False)
    converse(relay, client)

    closed = ended(client)
    assert (closed.code, closed.reconnect, closed.by_peer) == (GoawayCode.AUTHENTICATION, False, True)


def test_a_malformed_frame_ends_the_connection_and_is_told() -> None:
    relay, client = an_open_pair()

    client.send_frames((encode(8, 1, [b"too short", []]),))
    converse(relay, client)

    assert ended(relay).code is GoawayCode.BAD_FRAME
    closed = ended(client)
    assert (closed.code, closed.reconnect, closed.after_ms, closed.by_peer) == (
        GoawayCode.BAD_FRAME,
        True,
        30_000,
        True,
    )


@pytest.mark.parametrize(
    ("purpose", "hello", "key", "suite"),
    [
        (Purpose.DEVICE, None, None, Suite.HYBRID),
        (Purpose.ENROL, HELLO, ALICE_KEY, Suite.HYBRID),
        (Purpose.DEVICE, HELLO, None, Suite.HYBRID),
        (Purpose.ENROL, None, None, Suite.PLAIN_XK),
    ],
)
def test_a_client_that_does_not_fit_its_role_is_our_mistake(
    purpose: Purpose, hello: object, key: object, suite: Suite
) -> None:
    with pytest.raises(LocalProtocolError):
        ClientConnection(
            purpose=purpose,
            relay_key=bytes(32),
            key_id=1,
            hello=hello,
            static_key=key,
            entropy=bytes,
            now=0.0,
            suite=suite,
        )


@settings(max_examples=30)
@given(cuts=st.lists(st.integers(1, 200), min_size=1, max_size=40))
def test_any_cut_of_the_bytes_gives_the_same_events(cuts: list[int]) -> None:
    relay, client = a_relay(), a_client()
    relay.receive_data(client.data_to_send(0.0), 0.0)
    client.receive_data(relay.data_to_send(0.0), 0.0)
    relay.receive_data(client.data_to_send(0.0), 0.0)
    relay.welcome(WELCOME)
    client.receive_data(relay.data_to_send(0.0), 0.0)
    relay.events()
    for request in range(1, 30):
        client.send(Lookup("bob@gad.example"), request)
    octets = client.data_to_send(0.0)

    for turn in range(len(octets)):
        cut = cuts[turn % len(cuts)]
        relay.receive_data(octets[:cut], 0.0)
        octets = octets[cut:]
        if not octets:
            break

    assert relay.events() == [MessageReceived(request, Lookup("bob@gad.example")) for request in range(1, 30)]


@settings(max_examples=60)
@given(octets=st.binary(max_size=300), opened=st.booleans())
def test_any_bytes_end_in_events_and_never_in_an_exception(octets: bytes, opened: bool) -> None:
    relay = an_open_pair()[0] if opened else a_relay()

    relay.receive_data(octets, 0.0)
    relay.receive_eof(0.0)

    assert relay.state is State.CLOSED
    assert isinstance(relay.events()[-1], Closed)
