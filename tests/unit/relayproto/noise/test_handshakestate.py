import pytest

from relayproto import noise
from relayproto.errors import CryptoFailure, LocalProtocolError
from relayproto.noise import HandshakeState
from relayproto.noise.patterns import parse
from relayproto.primitives import x25519_public
from support.kem import stream

CLIENT, RELAY = bytes(range(32)), bytes(range(32, 64))
XX = parse("Noise_XX_25519_ChaChaPoly_SHA256")
NN = parse("Noise_NN_25519_ChaChaPoly_SHA256")
NNHFS = parse("Noise_NNhfs_25519+MLKEM768_ChaChaPoly_SHA256")
NNPSK = parse("Noise_NNpsk0_25519_ChaChaPoly_SHA256")


def initiator(protocol=noise.XKHFS, *, prologue=b"prologue", **changes):
    given = {"s": CLIENT, "rs": x25519_public(RELAY) if protocol.pattern.knows_responder else None, **changes}
    return HandshakeState(
        protocol=protocol, initiator=True, prologue=prologue, entropy=stream("initiator"), **given
    )  # fmt: skip


def responder(protocol=noise.XKHFS, *, prologue=b"prologue", **changes):
    given = {"s": RELAY, **changes}
    return HandshakeState(
        protocol=protocol, initiator=False, prologue=prologue, entropy=stream("responder"), **given
    )  # fmt: skip


def shake(alice: HandshakeState, bob: HandshakeState, payloads=(b"", b"", b"")) -> list[bytes]:
    """Let the two talk until they are done, and return what was read."""
    read = []
    writer, reader = alice, bob
    for payload in payloads:
        if alice.finished:
            break
        read.append(reader.read_message(writer.write_message(payload)))
        writer, reader = reader, writer
    return read


@pytest.mark.parametrize("protocol", [noise.XKHFS, noise.NKHFS, noise.XK, XX, NNHFS])
def test_both_sides_end_with_the_same_hash_and_matching_ciphers(protocol):
    alice, bob = initiator(protocol), responder(protocol)

    read = shake(alice, bob, (b"one", b"two", b"three"))

    assert read == [b"one", b"two", b"three"][: len(protocol.pattern.messages)]
    assert alice.finished
    assert bob.finished
    (to_bob, from_bob), (to_alice, from_alice) = alice.split(), bob.split()
    assert alice.handshake_hash == bob.handshake_hash != b""
    assert from_alice.decrypt_with_ad(b"", to_bob.encrypt_with_ad(b"", b"ping")) == b"ping"
    assert from_bob.decrypt_with_ad(b"", to_alice.encrypt_with_ad(b"", b"pong")) == b"pong"


def test_the_hybrid_messages_have_the_sizes_of_the_spec():
    alice, bob = initiator(), responder()

    first = alice.write_message()
    bob.read_message(first)
    second = bob.write_message()
    alice.read_message(second)
    third = alice.write_message(bytes(256))

    assert (len(first), len(second), len(third)) == (1248, 1152, 48 + 256 + 16)


def test_the_responder_learns_who_it_is_only_from_message_3():
    alice, bob = initiator(), responder()

    shake(alice, bob, (b"", b""))
    before = bob.remote_static
    bob.read_message(alice.write_message())

    assert before is None
    assert bob.remote_static == x25519_public(CLIENT)
    assert alice.remote_static == x25519_public(RELAY)


def test_the_key_that_pattern_and_psk_mix_in_must_be_the_same():
    alice, bob = initiator(NNPSK, psks=(bytes(32),)), responder(NNPSK, psks=(b"\x01" * 32,))

    with pytest.raises(CryptoFailure):
        bob.read_message(alice.write_message())


def test_another_prologue_breaks_the_handshake_at_its_first_message():
    alice, mallory = initiator(prologue=b"suite 1"), responder(prologue=b"suite 3")

    with pytest.raises(CryptoFailure):
        mallory.read_message(alice.write_message())


def test_a_relay_without_the_key_can_not_answer():
    alice, mallory = initiator(), responder(s=bytes(range(64, 96)))

    with pytest.raises(CryptoFailure):
        mallory.read_message(alice.write_message())


@pytest.mark.parametrize("turn", [0, 1, 2])
@pytest.mark.parametrize("at", [0, 40, -1])
def test_a_changed_octet_anywhere_kills_the_handshake(turn, at):
    alice, bob = initiator(), responder()
    shake(alice, bob, (b"",) * turn)
    writer, reader = (alice, bob) if turn % 2 == 0 else (bob, alice)
    changed = bytearray(writer.write_message(b"payload"))
    changed[at] ^= 1

    with pytest.raises(CryptoFailure):
        reader.read_message(bytes(changed))

    assert reader.handshake_hash == b""
    for use in (reader.write_message, lambda: reader.read_message(bytes(changed)), reader.split):
        with pytest.raises(LocalProtocolError):
            use()


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_a_message_of_any_other_length_is_refused(turn):
    whole = len(message_of(turn))

    for length in {0, 1, 31, 32, 33, 47, 48, 1000, whole - 1, whole + 1}:
        alice, bob = initiator(), responder()
        shake(alice, bob, (b"",) * turn)
        writer, reader = (alice, bob) if turn % 2 == 0 else (bob, alice)
        with pytest.raises(CryptoFailure):
            reader.read_message(writer.write_message().ljust(length, b"\x00")[:length])


def message_of(turn: int) -> bytes:
    alice, bob = initiator(), responder()
    shake(alice, bob, (b"",) * turn)
    return (alice if turn % 2 == 0 else bob).write_message()


def test_more_than_65535_octets_are_neither_read_nor_written():
    with pytest.raises(CryptoFailure):
        responder().read_message(bytes(65_536))
    alice = initiator()
    with pytest.raises(LocalProtocolError):
        alice.write_message(bytes(65_535))
    with pytest.raises(LocalProtocolError):
        alice.write_message()


def test_an_ephemeral_key_of_low_order_is_refused():
    for protocol in (noise.XKHFS, noise.NKHFS, noise.XK):
        with pytest.raises(CryptoFailure):
            responder(protocol).read_message(bytes(1248))


def test_where_the_key_is_used_only_in_the_answer_it_is_refused_there():
    bob = responder(NN)
    bob.read_message(bytes(32))

    with pytest.raises(CryptoFailure):
        bob.write_message()

    with pytest.raises(LocalProtocolError):
        bob.write_message()


def test_a_kem_key_that_is_none_is_refused_while_it_is_read():
    with pytest.raises(CryptoFailure):
        responder(NNHFS).read_message(x25519_public(CLIENT) + b"\xff" * 1184)


def test_a_vector_may_fix_the_ephemeral_key():
    assert initiator(e=RELAY).write_message()[:32] == x25519_public(RELAY)


def test_each_side_keeps_to_its_turn():
    alice, bob = initiator(), responder()

    for use in (lambda: alice.read_message(b""), bob.write_message, alice.split):
        with pytest.raises(LocalProtocolError):
            use()

    assert shake(alice, bob) == [b"", b"", b""]
    for use in (alice.write_message, lambda: bob.read_message(b""), bob.write_message):
        with pytest.raises(LocalProtocolError):
            use()


def test_what_was_split_is_split_once_and_keeps_its_hash():
    alice, bob = initiator(), responder()
    shake(alice, bob)
    before = alice.handshake_hash

    alice.split()

    assert alice.handshake_hash == before
    assert alice._secrets is None
    with pytest.raises(LocalProtocolError):
        alice.split()


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: initiator(rs=None),
        lambda: responder(rs=bytes(32)),
        lambda: responder(s=None),
        lambda: initiator(psks=(bytes(32),)),
        lambda: initiator(NNPSK),
        lambda: initiator(NNPSK, psks=(bytes(31),)),
        lambda: initiator(parse("Noise_XK_25519_ChaChaPoly_BLAKE2b")),
    ],
)
def test_keys_that_do_not_suit_the_pattern_are_our_own_mistake(mistake):
    with pytest.raises(LocalProtocolError):
        mistake()


def test_an_own_key_that_is_missing_shows_when_it_is_needed():
    alice, bob = initiator(s=None), responder()
    shake(alice, bob, (b"", b""))

    with pytest.raises(LocalProtocolError):
        alice.write_message()


def test_no_secret_is_shown():
    alice = initiator()
    alice.write_message()

    assert CLIENT.hex() not in repr(alice) + repr(alice._secrets)
    assert repr(CLIENT) not in repr(alice) + repr(alice._secrets)
