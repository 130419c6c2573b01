"""All of cacophony's 944 and snow's 408 public Noise vectors, 1,352 together: both sides, every byte of every message.

The relay has 25519 alone; the tests bring Curve448, AES-GCM and the other hashes, so that none has to be left out.
"""

from collections import Counter

import pytest

from relayproto.noise import HandshakeState
from relayproto.noise.patterns import NoiseProtocol, parse
from support.noise_suites import CIPHERS, HASHES, SUITES
from support.shared import shared

FILES = {"cacophony": 944, "snow": 408}
GROUPS = [(f, f"{d}_{c}_{h}") for f in FILES for d in ("25519", "448") for c in CIPHERS for h in HASHES
          if (f, d) != ("snow", "448")]  # fmt: skip


def vectors(file: str) -> list[dict]:
    return shared(f"vectors/noise/{file}.json")["vectors"]


def no_entropy(count: int) -> bytes:
    raise AssertionError(f"a vector fixes every key, yet {count} random bytes were asked for")


def side(protocol: NoiseProtocol, vector: dict, who: str) -> HandshakeState:
    def octets(name: str) -> bytes | None:
        return bytes.fromhex(vector[f"{who}_{name}"]) if f"{who}_{name}" in vector else None

    knows = protocol.pattern.knows_responder if who == "init" else protocol.pattern.knows_initiator
    return HandshakeState(
        protocol=protocol,
        initiator=who == "init",
        prologue=octets("prologue") or b"",
        entropy=no_entropy,
        s=octets("static"),
        rs=octets("remote_static") if knows else None,
        e=octets("ephemeral"),
        psks=tuple(bytes.fromhex(psk) for psk in vector.get(f"{who}_psks", [])),
        suite=SUITES[protocol.suite],
    )


def replay(vector: dict) -> int:
    """Play both sides and return how many messages were compared."""
    protocol = parse(vector["protocol_name"])
    initiator, responder = side(protocol, vector, "init"), side(protocol, vector, "resp")
    messages = [(bytes.fromhex(m["payload"]), bytes.fromhex(m["ciphertext"])) for m in vector["messages"]]
    shaken = len(protocol.pattern.messages)
    writer, reader = initiator, responder
    for payload, ciphertext in messages[:shaken]:
        assert writer.write_message(payload) == ciphertext
        assert reader.read_message(ciphertext) == payload
        writer, reader = reader, writer
    assert initiator.finished
    assert responder.finished
    assert initiator.handshake_hash == responder.handshake_hash
    if "handshake_hash" in vector:
        assert initiator.handshake_hash.hex() == vector["handshake_hash"]
    to_responder, from_responder = initiator.split()
    to_initiator, from_initiator = responder.split()
    for number, (payload, ciphertext) in enumerate(messages[shaken:], start=shaken):
        forward = shaken == 1 or number % 2 == 0
        sending, receiving = (to_responder, from_initiator) if forward else (to_initiator, from_responder)
        assert sending.encrypt_with_ad(b"", payload) == ciphertext
        assert receiving.decrypt_with_ad(b"", ciphertext) == payload
    return len(messages)


@pytest.mark.parametrize(("file", "suite"), GROUPS)
def test_every_vector_of_a_suite_is_met_byte_for_byte(file, suite):
    mine = [vector for vector in vectors(file) if vector["protocol_name"].endswith(f"_{suite}")]

    compared = [replay(vector) for vector in mine]

    assert len(compared) == {"cacophony": 59, "snow": 51}[file]
    assert min(compared) >= 2


def test_the_suites_above_leave_no_vector_out():
    held = Counter((file, vector["protocol_name"].split("_", 2)[2]) for file in FILES for vector in vectors(file))

    assert set(held) == set(GROUPS)
    assert {file: sum(n for (f, _), n in held.items() if f == file) for file in FILES} == FILES
    assert sum(n for (_, suite), n in held.items() if suite.startswith("448_")) == 472
