"""The backups' room: the key pair of whoever may open a backup.

Randomness enters and two texts leave, one for the relay's machine and one for the drawer; read, they are keys again.
The rules of this file: the two can't be taken for each other; the secret one is a file of 0600 and in no repr.
"""

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from relayd.exits import CannotGoOn, Exit
from relayproto.primitives import KEY_BYTES, Entropy, box_open, box_seal, x25519_public

_PUBLIC: Final = "relayd-backup-recipient-1"
_SECRET: Final = "relayd-backup-secret-1"  # noqa: S105 - the first word of the file, not what is in it
PUBLIC_SUFFIX: Final = ".pub"
_FILE_BYTES_MAX: Final = 4_096


@dataclass(frozen=True, slots=True)
class Recipient:
    """The half that seals: an X25519 public key."""

    public: bytes

    def seal(self, octets: bytes) -> bytes:
        """Return the octets for whoever has the other half (libsodium's sealed box: X25519, XSalsa20-Poly1305)."""
        return box_seal(self.public, octets)


@dataclass(frozen=True, slots=True)
class Opener:
    """The half that opens."""

    _private: bytes = field(repr=False)

    @property
    def recipient(self) -> Recipient:
        """The other half."""
        return Recipient(x25519_public(self._private))

    def open(self, sealed: bytes) -> bytes:
        """Return what was sealed; CryptoFailure where it was to somebody else, or was changed."""
        return box_open(self._private, sealed)


def make(path: Path, entropy: Entropy) -> Recipient:
    """Make a pair: the secret half at ``path``, 0600, the other beside it with ``.pub``. CannotGoOn where one exists.

    The public half is written last: where it is there, so is the secret one.
    """
    private = entropy(KEY_BYTES)
    recipient = Recipient(x25519_public(private))
    public_path = path.with_name(path.name + PUBLIC_SUFFIX)
    if public_path.exists():
        raise CannotGoOn(f"{public_path}: there is a file already; nothing was made", Exit.CANNOT_CREATE)
    try:
        _write(path, f"{_SECRET} {private.hex()}\n", 0o600)
        _write(public_path, f"{_PUBLIC} {recipient.public.hex()}\n", 0o644)
    except FileExistsError as error:
        raise CannotGoOn(
            f"{error.filename}: there is a file already; a secret that is lost opens no backup any more",
            Exit.CANNOT_CREATE,
        ) from None
    except OSError as error:
        raise CannotGoOn(f"{error.filename or path}: {error.strerror}", Exit.CANNOT_CREATE) from None
    return recipient


def _write(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_recipient(path: Path) -> Recipient:
    """Read the public half; CannotGoOn where the file is none, or is the secret one."""
    word, octets = _read(path)
    if word == _SECRET:
        raise CannotGoOn(
            f"{path}: this is the secret half; the relay's machine gets the one with {PUBLIC_SUFFIX} only", Exit.CONFIG
        )
    if word != _PUBLIC:
        raise CannotGoOn(f"{path}: not a recipient of backups; relayd backup-key makes one", Exit.CONFIG)
    return Recipient(octets)


def read_opener(path: Path) -> Opener:
    """Read the secret half; CannotGoOn where the file is none, or where others than its owner may read it."""
    word, octets = _read(path)
    if word == _PUBLIC:
        raise CannotGoOn(f"{path}: this is the public half, which opens nothing; give the secret one", Exit.CONFIG)
    if word != _SECRET:
        raise CannotGoOn(f"{path}: not the secret half of a pair that relayd backup-key made", Exit.CONFIG)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise CannotGoOn(f"{path}: others than its owner may read it; chmod 600 it", Exit.CONFIG)
    return Opener(octets)


def _read(path: Path) -> tuple[str, bytes]:
    """Return the first word of a key file and its key; two empty ones where it is no key file."""
    try:
        with path.open("rb") as file:
            octets = file.read(_FILE_BYTES_MAX)
    except OSError as error:
        raise CannotGoOn(f"{path}: {error.strerror}", Exit.CONFIG) from None
    match = re.fullmatch(rb"([a-z0-9-]+) ([0-9a-f]{64})\n?", octets)
    return (match[1].decode(), bytes.fromhex(match[2].decode())) if match else ("", b"")
