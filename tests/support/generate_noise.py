"""Make proto/vectors/noise.json and record.json: ``python tests/support/generate_noise.py --write``.

Keys are the bytes of SHAKE-256 of a label, and the KEM is kyber-py's: what comes out is the same every time, and
another implementation needs nothing of ours to check it. Without ``--write`` nothing is written.
"""

import hashlib
import json
import sys
from pathlib import Path

from relayproto import noise
from relayproto.codes import Purpose, Suite, Transport
from relayproto.commands import Credit, Hello
from relayproto.ids import AccountId, DeviceId
from relayproto.limits import BULK_BUCKET, HELLO_BYTES, RECORD_BUCKETS
from relayproto.message import encode
from relayproto.noise import CipherState, HandshakeState, NoiseProtocol
from relayproto.noise.suites import CHACHAPOLY
from relayproto.preface import Preface
from relayproto.primitives import x25519_public
from relayproto.record import Sealer, pack
from support.kem import DeterministicKem, stream

VECTORS = Path(__file__).resolve().parents[2] / "proto" / "vectors"
KEY_ID = 7
SECRETS = {"init_static": 32, "init_ephemeral": 32, "init_e1_seed": 64, "resp_static": 32, "resp_ephemeral": 32,
           "encapsulation": 32}  # fmt: skip
HELLO = Hello(
    account=AccountId(bytes(range(32))), device=DeviceId(1), list_version=1, epoch=0, floors=(0, 0, 0), ledger_epoch=0,
    submission=0, features=0, credit=Credit(64, 1 << 20), build="vector",
)  # fmt: skip


def keys(label: str) -> dict[str, bytes]:
    """Return every secret of a handshake, by the name that it has in the file."""
    return {name: stream(f"{label}/{name}")(size) for name, size in SECRETS.items()}


def sides(protocol: NoiseProtocol, prologue: bytes, secret: dict[str, bytes]) -> tuple[HandshakeState, HandshakeState]:
    """Return the initiator and the responder whose every random byte is fixed."""
    kem = DeterministicKem(lambda _: secret["encapsulation"])
    initiator = HandshakeState(
        protocol=protocol, initiator=True, prologue=prologue, entropy=lambda _: secret["init_e1_seed"],
        s=secret["init_static"], rs=x25519_public(secret["resp_static"]), e=secret["init_ephemeral"], kem=kem,
    )  # fmt: skip
    responder = HandshakeState(
        protocol=protocol, initiator=False, prologue=prologue, entropy=lambda _: secret["encapsulation"],
        s=secret["resp_static"], e=secret["resp_ephemeral"], kem=kem,
    )  # fmt: skip
    return initiator, responder


def handshake(protocol: NoiseProtocol, suite: Suite, purpose: Purpose) -> dict:
    """Play one handshake and two messages each way, and return all of it as text."""
    secret = keys(protocol.name)
    prologue = Preface(suite, purpose, KEY_ID).prologue(Transport.TCP)
    initiator, responder = sides(protocol, prologue, secret)
    messages = []
    writer, reader = initiator, responder
    while not initiator.finished:
        payload = pack([encode(HELLO)])[0] if len(messages) == 2 else b""
        message = writer.write_message(payload)
        if reader.read_message(message) != payload:
            raise AssertionError("the two sides disagree")
        messages.append({"payload": payload.hex(), "ciphertext": message.hex()})
        writer, reader = reader, writer
    vector = {
        "protocol_name": protocol.name,
        "prologue": prologue.hex(),
        **{name: octets.hex() for name, octets in secret.items()},
        "handshake_hash": initiator.handshake_hash.hex(),
    }
    transport = []
    for number, sending in enumerate((*(directions := (initiator.split()[0], responder.split()[0])), *directions)):
        payload = f"transport message {number}".encode()
        transport.append({"payload": payload.hex(), "ciphertext": sending.encrypt_with_ad(b"", payload).hex()})
    return {**vector, "messages": messages, "transport": transport}


def noise_vectors() -> dict:
    """Return what noise.json holds."""
    return {
        "about": "Spec 20. Handshakes, then transport messages: initiator, responder, initiator, responder. The KEM "
        "key pair is that of the 64-byte seed d | z (FIPS 203); encapsulation is its 32 bytes of randomness m.",
        "version": 1,
        "vectors": [
            handshake(noise.XKHFS, Suite.HYBRID, Purpose.DEVICE),
            handshake(noise.NKHFS, Suite.HYBRID, Purpose.ENROL),
            handshake(noise.XK, Suite.PLAIN_XK, Purpose.DEVICE),
        ],
    }


def frames_of(runs: list[tuple[str, int]]) -> list[bytes]:
    """Return the frames that pairs of an octet and a count say: so the file stays short."""
    return [bytes.fromhex(octet) * count for octet, count in runs]


def packed(*runs: tuple[str, int], bulk: bool = False) -> dict:
    """Return frames and the plaintexts that hold them, these by their length and SHA-256."""
    plaintexts = pack(frames_of(list(runs)), bulk=bulk)
    described = [{"length": len(each), "sha256": hashlib.sha256(each).hexdigest()} for each in plaintexts]
    return {"bulk": bulk, "frames": runs, "plaintexts": described}


def sealed() -> dict:
    """Return three records of one direction, with a new key after the second."""
    key = stream("record")(32)
    sealer = Sealer(CipherState(CHACHAPOLY, key), 0.0)
    plaintexts = [pack([f"frame {number}".encode()])[0] for number in range(3)]
    records = [sealer.seal(plaintexts[0]), sealer.seal(plaintexts[1])]
    sealer.rekey(1.0)
    records.append(sealer.seal(plaintexts[2]))
    return {"key": key.hex(), "rekey_after": 2, "plaintexts": [each.hex() for each in plaintexts],
            "records": [each.hex() for each in records]}  # fmt: skip


def record_vectors() -> dict:
    """Return what record.json holds."""
    room = RECORD_BUCKETS[-1] - 2
    return {
        "about": "Spec 10. A frame is an octet and how often it stands; a plaintext is its length and SHA-256.",
        "version": 1,
        "buckets": RECORD_BUCKETS,
        "bulk_bucket": BULK_BUCKET,
        "hello_bytes": HELLO_BYTES,
        "packed": [
            packed(("01", 1)),
            packed(("01", 252), ("02", 1)),
            packed(("01", 254)),
            packed(("01", 253)),
            packed(("01", 255)),
            packed(("01", room), ("02", 1), ("03", 1)),
            packed(("01", room - 4), ("02", 2), ("04", 1)),
            packed(("01", room + 1), bulk=True),
            packed(("01", 1), ("02", BULK_BUCKET - 2), bulk=True),
        ],
        "refused_plaintexts": ["0002ff", "ffff" + "00" * 254],
        "sealed": sealed(),
    }


def texts() -> dict[str, str]:
    """Return file name -> what it holds."""
    made = {"noise.json": noise_vectors(), "record.json": record_vectors()}
    return {name: json.dumps(vectors, indent=1) + "\n" for name, vectors in made.items()}


if __name__ == "__main__":
    for name, text in texts().items():
        print(name, len(text))
        if "--write" in sys.argv:
            (VECTORS / name).write_text(text, encoding="utf-8")
