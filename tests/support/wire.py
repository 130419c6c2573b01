"""Two ends of one connection in memory, with nothing in between: factories and a pump for conversations in tests."""

from relayproto.codes import Purpose, Suite
from relayproto.commands import Credit, Hello
from relayproto.connection import ClientConnection, RelayConnection
from relayproto.duplex import Connection
from relayproto.primitives import x25519_public
from relayproto.replies import LaneState, Welcome
from support.kem import DeterministicKem, stream

RELAY_KEY = bytes(range(32))
ALICE_KEY = bytes(range(32, 64))
DESCRIPTOR = b"RLYK" + bytes(60)
HELLO = Hello(bytes(32), 1, 1, 0, (0, 0, 0), 0, 0, 0, Credit(64, 1 << 20), "tests")
WELCOME = Welcome(1, 0, 1_000, 7, (LaneState(0, 1),) * 3, 9, 0, 1, 0, 0)


def a_relay(*, suites: frozenset[Suite] = frozenset({Suite.HYBRID}), now: float = 0.0) -> RelayConnection:
    return RelayConnection(
        keys={1: RELAY_KEY}, suites=suites, descriptor=DESCRIPTOR, entropy=stream("relay"), now=now,
        kem=DeterministicKem(stream("relay kem")),
    )  # fmt: skip


def a_client(
    purpose: Purpose = Purpose.DEVICE,
    *,
    suite: Suite = Suite.HYBRID,
    key_id: int = 1,
    now: float = 0.0,
    hello: Hello = HELLO,
) -> ClientConnection:
    enrols = purpose is Purpose.ENROL
    return ClientConnection(
        purpose=purpose, relay_key=x25519_public(RELAY_KEY), key_id=key_id, hello=None if enrols else hello,
        static_key=None if enrols else ALICE_KEY, entropy=stream("alice"), now=now, suite=suite,
        kem=DeterministicKem(stream("alice kem")),
    )  # fmt: skip


def converse(relay: Connection, client: Connection, now: float = 0.0) -> None:
    """Carry bytes both ways until neither side has anything to say."""
    for _ in range(100):
        to_relay, to_client = client.data_to_send(now), relay.data_to_send(now)
        if not to_relay and not to_client:
            return
        if to_relay:
            relay.receive_data(to_relay, now)
        if to_client:
            client.receive_data(to_client, now)
    raise AssertionError("the two talk for ever")


def an_open_pair(
    purpose: Purpose = Purpose.DEVICE, *, suite: Suite = Suite.HYBRID
) -> tuple[RelayConnection, ClientConnection]:
    """Return both ends of a connection that is open, with no events left."""
    relay, client = a_relay(suites=frozenset(Suite)), a_client(purpose, suite=suite)
    converse(relay, client)
    if purpose is not Purpose.ENROL:
        relay.welcome(WELCOME)
        converse(relay, client)
    relay.events()
    client.events()
    return relay, client
