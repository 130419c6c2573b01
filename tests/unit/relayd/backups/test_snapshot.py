import os
from pathlib import Path

import pytest

from relayd.backups import snapshot
from relayd.backups.recipient import Opener, Recipient
from relayd.backups.snapshot import Chunk, Contents, Signer
from relayd.exits import CannotGoOn, Exit
from relayproto import descriptor
from relayproto.descriptor import KeyDescriptor
from relayproto.primitives import ed25519_public, x25519_public
from support.changed import replace

PLACE = Path("backup-1")
ROOT, STAMP = b"r" * 32, b"s" * 32
ROOT_FINGERPRINT = descriptor.fingerprint(ed25519_public(ROOT))
DESCRIBED = descriptor.make(ROOT, KeyDescriptor(1, 1, bytes(32), ed25519_public(STAMP), 0, 9, 1))
SIGNER = Signer(STAMP, DESCRIBED, ROOT_FINGERPRINT)
OPENER = Opener(b"p" * 32)
CHUNKS = (Chunk(b"n" * 32, b"h" * 32, 100), Chunk(b"m" * 32, b"i" * 32, 200))
CONTENTS = Contents("relay.db", 1, 1_000, 300, (b"a" * 32, b"b" * 32), (("root.pub", b"root"),), (("envelopes", 3),))


def encoded(**changes: object) -> bytes:
    made = {"made_ms": 5, "chunks": CHUNKS, "sealed": snapshot.seal(CONTENTS, OPENER.recipient), "signer": SIGNER}
    return snapshot.encode(**made | changes)


def test_what_was_kept_is_read_again() -> None:
    read = snapshot.decode(encoded(), PLACE)

    assert (read.made_ms, read.chunks, read.root_fingerprint) == (5, CHUNKS, ROOT_FINGERPRINT)
    assert snapshot.open_contents(read, OPENER, PLACE) == CONTENTS


def test_what_only_the_keys_owner_reads_is_not_in_clear() -> None:
    octets = encoded()

    for secret in (b"relay.db", b"root.pub", b"a" * 32, STAMP):
        assert secret not in octets
    assert repr(STAMP) not in repr(SIGNER)


@pytest.mark.parametrize("at", [0, 4, 8, 100, -1])
def test_a_changed_byte_is_found(at: int) -> None:
    octets = bytearray(encoded())
    octets[at] ^= 1

    with pytest.raises(CannotGoOn, match=r"backup-1: (not a backup|it is damaged)") as caught:
        snapshot.decode(bytes(octets), PLACE)

    assert caught.value.status is Exit.NOT_WHOLE


@pytest.mark.parametrize("octets", [b"", b"RLYB\x01", b"RLYB\x01" + b"\xc0" * 100, b"RLYB\x02" + bytes(200)])
def test_what_is_no_backup_is_told_so(octets: bytes) -> None:
    with pytest.raises(CannotGoOn, match="backup-1"):
        snapshot.decode(octets, PLACE)


def test_whoever_only_knows_the_public_key_makes_none_that_is_believed() -> None:
    forged = encoded(signer=replace(SIGNER, seed=b"m" * 32))
    by_another_root = encoded(signer=replace(SIGNER, root_fingerprint=b"m" * 32))

    for octets in (forged, by_another_root):
        with pytest.raises(CannotGoOn, match="nobody signed it who has the relay's keys"):
            snapshot.decode(octets, PLACE)


def test_another_key_is_told_from_damage() -> None:
    read = snapshot.decode(encoded(), PLACE)

    with pytest.raises(CannotGoOn, match="this key does not open it") as caught:
        snapshot.open_contents(read, Opener(b"q" * 32), PLACE)

    assert caught.value.status is Exit.CONFIG


def test_chunks_and_their_hashes_have_to_be_as_many() -> None:
    read = snapshot.decode(encoded(chunks=CHUNKS[:1]), PLACE)

    with pytest.raises(CannotGoOn, match="does not fit together"):
        snapshot.open_contents(read, OPENER, PLACE)


def test_sealed_octets_that_are_no_contents_are_refused() -> None:
    read = snapshot.decode(encoded(sealed=Recipient(x25519_public(b"p" * 32)).seal(os.urandom(20))), PLACE)

    with pytest.raises(CannotGoOn, match="backup-1"):
        snapshot.open_contents(read, OPENER, PLACE)
