"""The load generator tells the truth: it counts what an honest relay does, and names what another one does wrong.

A relay of a few lines speaks to it over two socket pairs; nothing here says how fast anything is.
"""

import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.generator import Flow, Generator, Pair, Run
from relayproto import frame, message
from relayproto.codes import Class, Kind, Lane
from relayproto.commands import Ack, Submit, Target, Wrap
from relayproto.noise.cipherstate import CipherState
from relayproto.noise.suites import CHACHAPOLY, Cipher
from relayproto.notices import Deliver, Rekey
from relayproto.record import Opener, RecordBuffer, Sealer, pack, unpack
from relayproto.replies import NotTaken, Submitted

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None or not Path("/usr/include/openssl/evp.h").exists(),
    reason="no C compiler, or no headers of OpenSSL's",
)

EACH = 20
BODY = 40
EPOCH = 77


class Gcm:
    """AES-256-GCM as a suite's cipher."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
        return self._aead.encrypt(nonce, plaintext, associated)

    def open(self, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
        return self._aead.decrypt(nonce, sealed, associated)


AESGCM_CIPHER = Cipher(Gcm, lambda counter: bytes(4) + counter.to_bytes(8, "big"))


class End:
    """The relay's end of a connection; the generator's is what it hands over."""

    def __init__(self, cipher: Cipher) -> None:
        self.theirs, self.ours = socket.socketpair()
        to_relay, from_relay = os.urandom(32), os.urandom(32)
        gcm = int(cipher is AESGCM_CIPHER)
        self._line = (
            f"gcm={gcm} send={to_relay.hex()} receive={from_relay.hex()} sent=0 got=0 epoch={EPOCH} normal=0 urgent=0"
            " outcome=0 granted=1"
        )
        self._opener = Opener(CipherState(cipher, to_relay))
        self._sealer = Sealer(CipherState(cipher, from_relay), 0.0)
        self._buffer = RecordBuffer()

    def order(self) -> str:
        return f"conn fd={self.theirs.fileno()} {self._line}"

    def descriptor(self) -> int:
        return self.theirs.fileno()

    def handed_over(self) -> None:
        self.theirs.close()

    def heard(self) -> Iterator[frame.Frame]:
        """Yield frames until the generator hangs up."""
        while octets := self.ours.recv(1 << 16):
            self._buffer.feed(octets)
            while (record := self._buffer.next_record()) is not None:
                yield from map(frame.decode, unpack(self._opener.open(record)))

    def say(self, *said: message.Message) -> None:
        for plaintext in pack(map(message.encode, said)):
            self.ours.sendall(self._sealer.seal(plaintext))

    def rekey(self) -> None:
        self.say(Rekey())
        self._sealer.rekey(0.0)


class Honest:
    """A relay that stores nothing: it answers each submission and passes it on."""

    def __init__(self, sender: End, receiver: End) -> None:
        self.sender = sender
        self.receiver = receiver
        self.floor = 0

    def serve(self) -> None:
        for received in self.sender.heard():
            assert received.kind == Kind.SUBMIT
            self.take(message.read(Submit, received.octets))
        for received in self.receiver.heard():
            assert received.kind == Kind.ACK
            self.floor = message.read(Ack, received.octets).floor

    def take(self, submit: Submit) -> None:
        self.answer(submit.submission)
        self.deliver(submit.submission, submit.body)

    def answer(self, submission: int) -> None:
        self.sender.say(Submitted(submission, (0,), (), 0))

    def deliver(self, sequence: int, body: bytes) -> None:
        self.receiver.say(
            Deliver(Lane.NORMAL, sequence, bytes(32), 1, Class.CHAT, 1, bytes(33), b"stamp", b"wrap", body)
        )


class Rekeying(Honest):
    def take(self, submit: Submit) -> None:
        super().take(submit)
        self.sender.rekey()
        self.receiver.rekey()


class Twice(Honest):
    def answer(self, submission: int) -> None:
        super().answer(submission)
        super().answer(submission)


class Swapping(Honest):
    """Delivers the second before the first, each under a sequence in order."""

    _held = b""

    def deliver(self, sequence: int, body: bytes) -> None:
        if sequence == 1:
            self._held = body
            return
        super().deliver(sequence - 1, body)
        if sequence == 2:
            super().deliver(2, self._held)


class Skipping(Honest):
    def deliver(self, sequence: int, body: bytes) -> None:
        super().deliver(sequence + (sequence > EACH // 2), body)


class Altering(Honest):
    def deliver(self, sequence: int, body: bytes) -> None:
        super().deliver(sequence, body[:-1] + bytes((body[-1] ^ 1,)) if sequence == EACH else body)


class Busy(Honest):
    """Takes the fifth only when it comes again, and nothing that was behind it before that."""

    _refused = False
    _next = 1

    def take(self, submit: Submit) -> None:
        if submit.submission != self._next or (submit.submission == 5 and not self._refused):
            self._refused = True
            self.sender.say(NotTaken(submit.submission, 100, 1))
            return
        self._next += 1
        super().take(submit)


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Generator:
    return Generator(tmp_path_factory.mktemp("generator"), server_core=0, own_core=0)


@pytest.fixture
def run(generator: Generator) -> Callable[..., tuple[dict, Honest]]:
    def one(kind: type[Honest], cipher: Cipher = CHACHAPOLY) -> tuple[dict, Honest]:
        sender, receiver = End(cipher), End(cipher)
        relay = kind(sender, receiver)
        blank = Submit(
            1, 0, Class.CHAT, 60, 0, bytes(33), bytes(BODY), None, (Target(bytes(32), 1, (Wrap(1, b""),)),), None
        )
        octets = message.encode(blank)[4:]
        pair = Pair(7, sender, receiver, each=EACH, tails=[(octets, octets.index(bytes((0xC4, BODY))) + 2)])
        generator.start(Run([pair], (Flow(window=8),), payload=BODY, settle_s=0.2), os.getpid())
        thread = threading.Thread(target=relay.serve)
        thread.start()
        result = generator.result()
        thread.join()
        sender.ours.close()
        receiver.ours.close()
        return result, relay

    return one


@pytest.mark.parametrize("cipher", [CHACHAPOLY, AESGCM_CIPHER])
def test_what_an_honest_relay_does_is_counted_and_acknowledged(run: Callable, cipher: Cipher) -> None:
    result, relay = run(Honest, cipher)

    assert result["troubles"] == {}
    assert (result["flows"][0]["count"], result["flows"][0]["lost"]) == (EACH, 0)
    assert result["conns"] == [[EACH, 0, 0, 0], [0, EACH, 0, 0]]
    assert relay.floor == EACH


@pytest.mark.parametrize("cipher", [CHACHAPOLY, AESGCM_CIPHER])
def test_it_follows_a_relay_that_takes_new_keys(run: Callable, cipher: Cipher) -> None:
    result, _ = run(Rekeying, cipher)

    assert (result["troubles"], result["flows"][0]["count"]) == ({}, EACH)


def test_a_number_that_was_not_taken_is_sent_again_with_what_followed(run: Callable) -> None:
    result, relay = run(Busy)

    assert (result["troubles"], result["flows"][0]["count"], relay.floor) == ({}, EACH, EACH)
    assert result["flows"][0]["not_taken"] > 0


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (Twice, "accepted out of order or twice"),
        (Swapping, "delivered out of order"),
        (Skipping, "sequence missing"),
        (Altering, "a payload that was not sent"),
    ],
)
def test_what_a_relay_does_wrong_is_named(run: Callable, kind: type[Honest], named: str) -> None:
    result, _ = run(kind)

    assert named in result["troubles"]


def test_no_key_is_in_an_argument_vector_or_the_environment(generator: Generator) -> None:
    sender, receiver = End(CHACHAPOLY), End(CHACHAPOLY)
    generator.start(Run([Pair(1, receiver=receiver), Pair(2, receiver=sender)], settle_s=0.1), os.getpid())
    process = generator._process

    assert process is not None
    assert process.args == [str(generator._program)]
    assert Path(f"/proc/{process.pid}/environ").read_bytes() == b""
    generator.result()
    sender.ours.close()
    receiver.ours.close()
