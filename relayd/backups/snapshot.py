"""The backups' room: one backup as a file, and the file of the day keys.

What was kept and the relay's signature enter; bytes leave, and the other way round. The rules of this file: what is in
clear names nothing but sealed files and their hashes, so that a backup can be checked where nobody can open it; all of
it is signed by the relay's stamp key, since anybody can seal to a public key, and who reads it compares the root; and
any bytes give one value or CannotGoOn.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from relayd.backups.recipient import Opener, Recipient
from relayd.exits import CannotGoOn, Exit
from relayproto import descriptor
from relayproto.errors import CryptoFailure, Malformed
from relayproto.fields import octets, octets_up_to, sequence, text, uint
from relayproto.limits import DESCRIPTOR_BYTES_MAX
from relayproto.packed import pack, unpack
from relayproto.primitives import SIGNATURE_BYTES, blake2b_256, sign, verify
from relayproto.value import Packable

_MAGIC: Final = b"RLYB\x01"
_LABEL: Final = b"relayd/backup/1"
HASH_BYTES: Final = 32
CHUNK_BYTES: Final = 1 << 16
"""Eight pages. A small commit changes some six pages that lie apart, so larger chunks would be kept for little change;
at 10 GB smaller ones would be files by the million."""
_CHUNKS_MAX: Final = 1 << 26
_FILES_MAX: Final = 64
_FILE_BYTES_MAX: Final = 1 << 20
_TEXT_MAX: Final = 255
_SEALED_MAX: Final = 1 << 33


@dataclass(frozen=True, slots=True)
class Signer:
    """Who vouches for a backup: the stamp key's seed, its descriptor and the root that signed that."""

    seed: bytes
    described: bytes
    root_fingerprint: bytes

    def __repr__(self) -> str:
        """Hide the seed."""
        return f"Signer(root_fingerprint={self.root_fingerprint.hex()})"


class Chunk(Packable, frozen=True):
    """One sealed file of a backup: its name, the hash of the sealed bytes, and how many they are."""

    name: Annotated[bytes, octets(HASH_BYTES)]
    hash: Annotated[bytes, octets(HASH_BYTES)]
    octets: Annotated[int, uint()]


class Contents(Packable, frozen=True):
    """What only the key's owner reads: of the database, and the files that were kept whole, by their names."""

    database: Annotated[str, text(_TEXT_MAX)]
    version: Annotated[int, uint()]
    high_water_ms: Annotated[int, uint()]
    octets: Annotated[int, uint()]
    hashes: Annotated[tuple[Annotated[bytes, octets(HASH_BYTES)], ...], sequence(_CHUNKS_MAX)]
    """Of each chunk before it was sealed, in the order of the file."""
    files: Annotated[
        tuple[tuple[Annotated[str, text(_TEXT_MAX)], Annotated[bytes, octets_up_to(_FILE_BYTES_MAX)]], ...],
        sequence(_FILES_MAX),
    ]
    figures: Annotated[tuple[tuple[Annotated[str, text(_TEXT_MAX)], Annotated[int, uint()]], ...], sequence(_FILES_MAX)]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One backup: when it was made, its chunks in the order of the database, and the rest, sealed."""

    made_ms: int
    chunks: tuple[Chunk, ...]
    sealed: bytes
    root_fingerprint: bytes


class _Signed(Packable, frozen=True):
    """A backup as it is signed."""

    made_ms: Annotated[int, uint()]
    chunks: Annotated[tuple[Chunk, ...], sequence(_CHUNKS_MAX)]
    sealed: Annotated[bytes, octets_up_to(_SEALED_MAX)]
    described: Annotated[bytes, octets_up_to(DESCRIPTOR_BYTES_MAX)]
    root_fingerprint: Annotated[bytes, octets(HASH_BYTES)]


def encode(made_ms: int, chunks: tuple[Chunk, ...], sealed: bytes, signer: Signer) -> bytes:
    """Return a backup's file."""
    signed = _MAGIC + pack(made_ms, chunks, sealed, signer.described, signer.root_fingerprint)
    return signed + sign(signer.seed, _LABEL + blake2b_256(signed))


def decode(octets_: bytes, path: Path) -> Snapshot:
    """Read a backup's file; CannotGoOn, naming ``path``, where it is damaged, newer, or not signed by its relay."""
    signed, signature = octets_[:-SIGNATURE_BYTES], octets_[-SIGNATURE_BYTES:]
    if not signed.startswith(_MAGIC):
        raise CannotGoOn(f"{path}: not a backup of a version that this relayd knows", Exit.NOT_WHOLE)
    try:
        said = unpack(signed[len(_MAGIC) :], _Signed)
        stamp_key = descriptor.read(said.described, said.root_fingerprint).stamp_key
        verify(stamp_key, _LABEL + blake2b_256(signed), signature)
    except (Malformed, CryptoFailure):
        raise CannotGoOn(
            f"{path}: it is damaged, or nobody signed it who has the relay's keys; use another backup", Exit.NOT_WHOLE
        ) from None
    return Snapshot(said.made_ms, said.chunks, said.sealed, said.root_fingerprint)


def seal(contents: Contents, recipient: Recipient) -> bytes:
    """Return what goes with the chunks, sealed."""
    return recipient.seal(pack(*contents.fields()))


def open_contents(snapshot: Snapshot, opener: Opener, path: Path) -> Contents:
    """Open what goes with the chunks; CannotGoOn where the key is another's."""
    try:
        found = unpack(opener.open(snapshot.sealed), Contents)
    except (CryptoFailure, Malformed):
        raise CannotGoOn(f"{path}: this key does not open it; it was sealed to another", Exit.CONFIG) from None
    if len(found.hashes) != len(snapshot.chunks):
        raise CannotGoOn(f"{path}: it does not fit together; use another backup", Exit.NOT_WHOLE)
    return found
