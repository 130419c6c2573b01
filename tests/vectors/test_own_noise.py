"""Our own frozen vectors: the hybrid handshakes, for which no public ones exist, and records.

Whoever changes a byte on the wire changes these files, knowingly, with the spec and the version.
"""

import hashlib
import json

import pytest

from relayproto.errors import CryptoFailure, RemoteProtocolError
from relayproto.noise import CipherState
from relayproto.noise.patterns import parse
from relayproto.noise.suites import CHACHAPOLY
from relayproto.primitives import ML_KEM_768
from relayproto.record import Opener, RecordBuffer, Sealer, pack, unpack
from support import generate_noise
from support.generate_noise import VECTORS, sides

SIZES = {"XKhfs": [1248, 1152, 320], "NKhfs": [1248, 1152], "XK": [48, 48, 320]}


def held(name: str) -> dict:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


HANDSHAKES = {vector["protocol_name"].split("_")[1]: vector for vector in held("noise.json")["vectors"]}


@pytest.mark.parametrize("name", ["noise.json", "record.json"])
def test_the_committed_vectors_are_what_the_generator_makes(name):
    assert (VECTORS / name).read_text(encoding="utf-8") == generate_noise.texts()[name]


@pytest.mark.parametrize("pattern", SIZES)
def test_both_sides_say_byte_for_byte_what_the_vector_holds(pattern):
    vector = HANDSHAKES[pattern]
    secret = {name: bytes.fromhex(vector[name]) for name in generate_noise.SECRETS}
    initiator, responder = sides(parse(vector["protocol_name"]), bytes.fromhex(vector["prologue"]), secret)
    messages = [(bytes.fromhex(m["payload"]), bytes.fromhex(m["ciphertext"])) for m in vector["messages"]]

    writer, reader = initiator, responder
    for payload, ciphertext in messages:
        assert writer.write_message(payload) == ciphertext
        assert reader.read_message(ciphertext) == payload
        writer, reader = reader, writer

    assert [len(ciphertext) for _, ciphertext in messages] == SIZES[pattern]
    assert initiator.handshake_hash.hex() == responder.handshake_hash.hex() == vector["handshake_hash"]
    (to_responder, from_responder), (to_initiator, from_initiator) = initiator.split(), responder.split()
    pairs = [(to_responder, from_initiator), (to_initiator, from_responder)] * 2
    for (sending, receiving), message in zip(pairs, vector["transport"], strict=True):
        ciphertext = bytes.fromhex(message["ciphertext"])
        assert sending.encrypt_with_ad(b"", bytes.fromhex(message["payload"])) == ciphertext
        assert receiving.decrypt_with_ad(b"", ciphertext).hex() == message["payload"]


@pytest.mark.parametrize("pattern", ["XKhfs", "NKhfs"])
def test_the_kem_that_the_relay_uses_reads_the_vectors_ciphertexts(pattern):
    vector = HANDSHAKES[pattern]
    secret = {name: bytes.fromhex(vector[name]) for name in generate_noise.SECRETS}
    initiator = generate_noise.sides(parse(vector["protocol_name"]), bytes.fromhex(vector["prologue"]), secret)[0]
    initiator._kem = ML_KEM_768

    first = initiator.write_message()
    initiator.read_message(bytes.fromhex(vector["messages"][1]["ciphertext"]))

    assert first.hex() == vector["messages"][0]["ciphertext"]


@pytest.mark.parametrize("vector", held("record.json")["packed"])
def test_frames_are_packed_into_exactly_these_plaintexts(vector):
    frames = generate_noise.frames_of(vector["frames"])

    plaintexts = pack(frames, bulk=vector["bulk"])

    described = [{"length": len(each), "sha256": hashlib.sha256(each).hexdigest()} for each in plaintexts]
    assert described == vector["plaintexts"]
    assert [frame for plaintext in plaintexts for frame in unpack(plaintext)] == frames


@pytest.mark.parametrize("plaintext", held("record.json")["refused_plaintexts"])
def test_a_plaintext_whose_frame_overruns_it_is_refused(plaintext):
    with pytest.raises(RemoteProtocolError):
        unpack(bytes.fromhex(plaintext))


def test_records_are_sealed_byte_for_byte_and_opened_across_a_rekey():
    vector = held("record.json")["sealed"]
    key = bytes.fromhex(vector["key"])
    sealer, opener = Sealer(CipherState(CHACHAPOLY, key), 0.0), Opener(CipherState(CHACHAPOLY, key))
    buffer = RecordBuffer()
    buffer.feed(bytes.fromhex("".join(vector["records"])))

    for number, (plaintext, record) in enumerate(zip(vector["plaintexts"], vector["records"], strict=True)):
        if number == vector["rekey_after"]:
            sealer.rekey(1.0)
            opener.rekey()
        assert sealer.seal(bytes.fromhex(plaintext)).hex() == record
        taken = buffer.next_record()
        assert taken is not None
        assert opener.open(taken).hex() == plaintext

    with pytest.raises(CryptoFailure):
        opener.open(bytes.fromhex(vector["records"][0])[2:])
