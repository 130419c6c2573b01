"""A second, independent implementation of Noise (noiseprotocol, from PyPI) as a device of a real relay over TCP.

Below the handshake everything here is written from spec 10 to 40 alone: msgpack arrays, padding and prefixes, and no
codec of ours. Only the relay's key and the device's identity come out of files that our programs made.
"""

import contextlib
import socket
import struct
import warnings

import msgpack
import pytest

from relayclient.device import Device
from relayproto import descriptor
from relayproto.invitation import from_link
from support.processes import a_relay, relay, succeed

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from noise.connection import Keypair, NoiseConnection

TIMEOUT_S = 10
PREFACE = struct.Struct(">4sBBBBI")
PLAIN_XK, DEVICE, TCP = 3, 1, 1
BUCKETS = (256, 1_024, 4_096, 16_384)
HELLO, ACK, LOOKUP, PING, PONG, GOAWAY = 1, 5, 9, 32, 33, 35
WELCOME, ACCOUNT, DELIVER, DRAINED = 128, 134, 160, 162
BYE = 1
PLENTY = [64, 1 << 20]


def exactly(line: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        part = line.recv(count - len(received))
        assert part, f"the relay closed after {len(received)} of {count} bytes"
        received += part
    return received


def prefixed(line: socket.socket) -> bytes:
    return exactly(line, int.from_bytes(exactly(line, 2), "big"))


def padded(*frames: bytes) -> bytes:
    """Return the plaintext of one record (spec 10 §2, §3)."""
    held = b"".join(len(frame).to_bytes(2, "big") + frame for frame in frames)
    return held.ljust(next(bucket for bucket in BUCKETS if len(held) <= bucket), b"\0")


def frames_in(plaintext: bytes) -> list[list]:
    assert len(plaintext) in BUCKETS
    found, at = [], 0
    while at + 2 <= len(plaintext) and (length := int.from_bytes(plaintext[at : at + 2], "big")):
        found.append(msgpack.unpackb(plaintext[at + 2 : at + 2 + length]))
        at += 2 + length
    return found


class Xk:
    """One connection of a device under Noise_XK_25519_ChaChaPoly_SHA256."""

    def __init__(self, port: int, *, key_id: int, relay_key: bytes, static_key: bytes) -> None:
        preface = PREFACE.pack(b"RLY1", 1, PLAIN_XK, DEVICE, 0, key_id)
        self.noise = NoiseConnection.from_name(b"Noise_XK_25519_ChaChaPoly_SHA256")
        self.noise.set_as_initiator()
        self.noise.set_prologue(preface + bytes([TCP]))
        self.noise.set_keypair_from_private_bytes(Keypair.STATIC, static_key)
        self.noise.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, relay_key)
        self.noise.start_handshake()
        self.waiting: list[list] = []
        self.passed: list[int] = []
        self.line = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        first = bytes(self.noise.write_message())
        self.line.sendall(preface + len(first).to_bytes(2, "big") + first)

    def log_in(self, hello: list) -> list:
        """Take message 2, send message 3 with HELLO, and return WELCOME."""
        second = prefixed(self.line)
        assert len(second) == 48
        assert self.noise.read_message(second) == b""
        third = bytes(self.noise.write_message(padded(msgpack.packb(hello))))
        assert len(third) == 320
        self.line.sendall(len(third).to_bytes(2, "big") + third)
        assert self.noise.handshake_finished
        return self.next(WELCOME)

    def say(self, *frames: list) -> None:
        record = self.noise.encrypt(padded(*map(msgpack.packb, frames)))
        self.line.sendall(len(record).to_bytes(2, "big") + record)

    def next(self, kind: int) -> list:
        """Return the next frame of a kind, also of later records; the kinds before it are ``passed``."""
        while True:
            while self.waiting:
                frame = self.waiting.pop(0)
                if frame[0] == kind:
                    return frame
                self.passed.append(frame[0])
            self.waiting = frames_in(bytes(self.noise.decrypt(prefixed(self.line))))

    def leave(self) -> None:
        """Say GOAWAY and wait until the relay has closed, hence has taken in what came before it."""
        self.say([GOAWAY, 0, BYE, True, 0])
        while self.line.recv(65_536):
            pass
        self.line.close()


def hello(device: Device, epoch: int = 0, floor: int = 0) -> list:
    who = device.identity
    return [HELLO, 0, who.account, who.device, 1, epoch, [floor, 0, 0], 0, 0, 0, PLENTY, "noiseprotocol"]


@contextlib.contextmanager
def people(tmp_path, settings):
    """Give a relay, its invitation, and alice's open device; bob has written to her."""
    with a_relay(tmp_path / "relay", settings=settings) as server:
        invitation = from_link(server.invite("alice@office.example"))
        alice, bob = (server.join(tmp_path / name, f"{name}@office.example") for name in ("alice", "bob"))
        succeed(relay(bob, "send", "alice@office.example", "The files are ready."))
        with Device.open(alice) as device:
            yield server, invitation, device


@pytest.mark.slow
def test_a_device_with_another_noise_logs_in_asks_takes_a_message_and_acknowledges_it(tmp_path):
    settings = {"allow_plain_xk = false": "allow_plain_xk = true"}

    with people(tmp_path, settings) as (server, invitation, device):
        keys = {
            "key_id": invitation.key_id, "relay_key": invitation.relay_key, "static_key": device.identity.static_key
        }  # fmt: skip
        first = Xk(server.devices, **keys)
        welcome = first.log_in(hello(device))
        delivered = first.next(DELIVER)
        first.next(DRAINED)
        first.say([PING, 5])
        pong = first.next(PONG)
        first.say([LOOKUP, 6, "bob@office.example"], [LOOKUP, 7, "alice@office.example"])
        bob, alice = first.next(ACCOUNT), first.next(ACCOUNT)
        epoch, lane, sequence = welcome[5], delivered[2], delivered[3]
        first.say([ACK, 0, epoch, lane, sequence, [], [1_000, 1 << 24], []])
        first.leave()

        second = Xk(server.devices, **keys)
        again = second.log_in(hello(device, epoch, sequence))
        second.next(DRAINED)
        second.leave()

    assert (lane, sequence) == (0, 1)
    assert pong == [PONG, 5]
    assert (alice[1], alice[2], alice[3]) == (7, device.identity.account, "alice@office.example")
    assert (bob[1], bob[3]) == (6, "bob@office.example")
    assert delivered[4] == bob[2]
    assert welcome[6][0] == [0, 2]
    assert again[6][0] == [1, 2]
    assert DELIVER not in second.passed


@pytest.mark.slow
def test_a_relay_with_the_default_configuration_answers_with_its_signed_key_and_closes(tmp_path):
    with people(tmp_path, {}) as (server, invitation, device):
        refused = Xk(
            server.devices, key_id=invitation.key_id, relay_key=invitation.relay_key,
            static_key=device.identity.static_key,
        )  # fmt: skip
        answer = prefixed(refused.line)
        rest = refused.line.recv(1)
        refused.line.close()

    read = descriptor.read(answer, invitation.root_fingerprint)
    assert answer[:4] == b"RLYK"
    assert (read.key_id, read.x25519) == (invitation.key_id, invitation.relay_key)
    assert rest == b""
