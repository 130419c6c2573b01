import pytest

from relayproto import message
from relayproto.channel import Channel
from relayproto.codes import GoawayCode, Kind
from relayproto.errors import RemoteProtocolError
from relayproto.limits import REKEY_AFTER_S
from relayproto.noise.cipherstate import CipherState
from relayproto.noise.suites import CHACHAPOLY
from relayproto.notices import Ping, Pong, Rekey


def a_pair() -> tuple[Channel, Channel]:
    there, back = bytes(32), bytes([1]) * 32

    def cipher(key: bytes) -> CipherState:
        return CipherState(CHACHAPOLY, key)

    return (
        Channel(cipher(there), cipher(back), bulk=False, now=0.0),
        Channel(cipher(back), cipher(there), bulk=False, now=0.0),
    )


def kinds(channel: Channel, records: bytes) -> list[int]:
    found = []
    while records:
        length = int.from_bytes(records[:2], "big")
        found += [kind for kind, _ in channel.open(records[2 : 2 + length])]
        records = records[2 + length :]
    return found


def test_all_that_waits_shares_one_record() -> None:
    alice, bob = a_pair()
    for _ in range(20):
        alice.queue.append(message.encode(Ping()))

    records = alice.seal(0.0)

    assert len(records) == 2 + 256 + 16
    assert kinds(bob, records) == [Kind.PING] * 20


def test_nothing_waits_nothing_is_sealed() -> None:
    alice, _ = a_pair()

    assert not alice.queue
    assert alice.seal(0.0) == b""


def test_both_sides_take_the_next_key_after_the_record_that_says_so() -> None:
    alice, bob = a_pair()
    alice.queue.append(message.encode(Ping()))

    before = alice.seal(REKEY_AFTER_S)
    alice.queue.append(message.encode(Pong()))
    behind = alice.seal(REKEY_AFTER_S)

    assert kinds(bob, before) == [Kind.PING]
    assert kinds(bob, behind) == [Kind.PONG]


@pytest.mark.parametrize("frames", [[Rekey(), Ping()], [Rekey(), Rekey()]])
def test_rekey_anywhere_but_last_ends_the_connection(frames: list[message.Message]) -> None:
    alice, bob = a_pair()
    for said in frames:
        alice.queue.append(message.encode(said))

    with pytest.raises(RemoteProtocolError) as raised:
        list(bob.open(alice.seal(0.0)[2:]))

    assert raised.value.code is GoawayCode.BAD_FRAME


def test_a_record_that_was_touched_does_not_open() -> None:
    alice, bob = a_pair()
    alice.queue.append(message.encode(Ping()))
    record = bytearray(alice.seal(0.0)[2:])
    record[0] ^= 1

    with pytest.raises(RemoteProtocolError) as raised:
        bob.open(bytes(record))

    assert raised.value.code is GoawayCode.BAD_RECORD


def test_a_record_does_not_open_twice() -> None:
    alice, bob = a_pair()
    alice.queue.append(message.encode(Ping()))
    record = alice.seal(0.0)[2:]
    bob.open(record)

    with pytest.raises(RemoteProtocolError):
        bob.open(record)
