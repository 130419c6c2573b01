"""Our own frozen vectors: the hybrid handshakes, for which no public ones exist, and records.

Whoever changes a byte on the wire changes these files, knowingly, with the spec and the version.
"""

import hashlib
import hmac
import json

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from kyber_py.ml_kem import ML_KEM_768 as KYBER

from relayproto.errors import CryptoFailure, RemoteProtocolError
from relayproto.noise import CipherState
from relayproto.noise.patterns import parse
from relayproto.noise.suites import CHACHAPOLY
from relayproto.primitives import ML_KEM_768, x25519, x25519_public
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


class Transcript:
    """The key schedule in a straight line, from hashlib and the raw primitives, with nothing of the engine."""

    def __init__(self, name: str) -> None:
        self.h = self.ck = hashlib.sha256(name.encode()).digest()
        self.k, self.n = b"", 0

    def mix(self, octets: bytes) -> None:
        self.h = hashlib.sha256(self.h + octets).digest()

    def key(self, secret: bytes) -> None:
        extracted = hmac.digest(self.ck, secret, "sha256")
        self.ck = hmac.digest(extracted, b"\x01", "sha256")
        self.k, self.n = hmac.digest(extracted, self.ck + b"\x02", "sha256"), 0

    def nonce(self) -> bytes:
        self.n += 1
        return bytes(4) + (self.n - 1).to_bytes(8, "little")

    def seal(self, plaintext: bytes) -> bytes:
        sealed = ChaCha20Poly1305(self.k).encrypt(self.nonce(), plaintext, self.h)
        self.mix(sealed)
        return sealed

    def open(self, sealed: bytes) -> bytes:
        plaintext = ChaCha20Poly1305(self.k).decrypt(self.nonce(), sealed, self.h)
        self.mix(sealed)
        return plaintext


def test_the_hybrid_handshake_is_what_the_formulas_of_the_paper_give():
    vector = HANDSHAKES["XKhfs"]
    s, e, e1, rs, re, m = (bytes.fromhex(vector[name]) for name in generate_noise.SECRETS)
    public, e1_key = KYBER.key_derive(e1)
    secret, ciphertext = KYBER._encaps_internal(public, m)
    said = Transcript(vector["protocol_name"])
    said.mix(bytes.fromhex(vector["prologue"]))
    said.mix(x25519_public(rs))

    said.mix(x25519_public(e))
    said.key(x25519(e, x25519_public(rs)))
    first = x25519_public(e) + said.seal(public) + said.seal(b"")
    said.mix(x25519_public(re))
    said.key(x25519(e, x25519_public(re)))
    second = x25519_public(re) + said.seal(ciphertext)
    said.key(secret)
    second += said.seal(b"")
    third = said.seal(x25519_public(s))
    said.key(x25519(s, x25519_public(re)))
    third += said.seal(bytes.fromhex(vector["messages"][2]["payload"]))

    assert [message["ciphertext"] for message in vector["messages"]] == [first.hex(), second.hex(), third.hex()]
    assert vector["handshake_hash"] == said.h.hex()
    assert KYBER.decaps(e1_key, ciphertext) == secret
    said.key(b"")
    payload = bytes.fromhex(vector["transport"][0]["payload"])
    to_responder = ChaCha20Poly1305(said.ck).encrypt(bytes(12), payload, b"")
    to_initiator = ChaCha20Poly1305(said.k).encrypt(bytes(12), bytes.fromhex(vector["transport"][1]["payload"]), b"")
    assert [message["ciphertext"] for message in vector["transport"][:2]] == [to_responder.hex(), to_initiator.hex()]


def recorded(secret: bytes | None = None) -> tuple[bytes, bytes, bytes, bytes]:
    """Read a recorded login with every X25519 key of both sides, and with ``secret`` for what the KEM gave.

    Returns the static key that the device showed, its payload and the first record of each side. Raises InvalidTag.
    """
    vector = HANDSHAKES["XKhfs"]
    s, e, e1, rs, re, _ = (bytes.fromhex(vector[name]) for name in generate_noise.SECRETS)
    first, second, third = (bytes.fromhex(message["ciphertext"]) for message in vector["messages"])
    records = [bytes.fromhex(message["ciphertext"]) for message in vector["transport"][:2]]
    heard = Transcript(vector["protocol_name"])
    heard.mix(bytes.fromhex(vector["prologue"]))
    heard.mix(x25519_public(rs))
    heard.mix(first[:32])
    heard.key(x25519(e, x25519_public(rs)))
    heard.open(first[32:1232])
    heard.open(first[1232:])
    heard.mix(second[:32])
    heard.key(x25519(e, x25519_public(re)))
    ciphertext = heard.open(second[32:1136])
    heard.key(KYBER.decaps(KYBER.key_derive(e1)[1], ciphertext) if secret is None else secret)
    if secret is not None:
        # Who knows the keys can skip what does not open: he looks at each of the others by itself.
        heard.mix(second[1136:])
        heard.n += 1
    else:
        heard.open(second[1136:])
    static = heard.open(third[:48])
    heard.key(x25519(s, x25519_public(re)))
    payload = heard.open(third[48:])
    heard.key(b"")
    said, answered = (ChaCha20Poly1305(key).decrypt(bytes(12), record, b"") for key, record in
                      zip((heard.ck, heard.k), records, strict=True))  # fmt: skip
    return static, payload, said, answered


def test_who_has_every_key_and_the_kems_reads_a_recorded_login() -> None:
    vector = HANDSHAKES["XKhfs"]

    static, payload, said, answered = recorded()

    assert static == x25519_public(bytes.fromhex(vector["init_static"]))
    assert payload.hex() == vector["messages"][2]["payload"]
    assert [said.hex(), answered.hex()] == [message["payload"] for message in vector["transport"][:2]]


@pytest.mark.parametrize("guess", [b"", bytes(32), hashlib.sha256(b"a guess").digest()], ids=["none", "zero", "any"])
def test_who_has_every_key_but_the_kems_learns_not_even_who_logged_in(guess: bytes) -> None:
    with pytest.raises(InvalidTag):
        recorded(guess)


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
        list(unpack(bytes.fromhex(plaintext)))


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
