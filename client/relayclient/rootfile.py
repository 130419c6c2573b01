"""The device's room: a root key, an organisation's or a relay's, as a file of its own machine.

A path enters and a key is made there, once, or read. The rule of this file: the seed is in a file that its owner alone
may read, and nowhere else; what leaves this machine are public keys and signatures.
"""

import os
import re
from pathlib import Path
from typing import Final

from relayclient.errors import FileUnusable, KeyFileBad, KeyFileExists, KeyFileNotPrivate
from relayproto.primitives import Entropy, ed25519_public

_HEAD: Final = "relayd organisation root key 1"
_FORM: Final = re.compile(rf"{_HEAD}\n([0-9a-f]{{64}})\n")
_OTHERS: Final = 0o077
_OCTETS_MAX: Final = 4096
_SEED_BYTES: Final = 32


def make(path: Path, entropy: Entropy) -> bytes:
    """Make a root key in a new file and return its public half. Raises KeyFileExists, FileUnusable."""
    seed = entropy(32)
    try:
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise KeyFileExists(str(path)) from None
    except OSError as error:
        raise FileUnusable(f"{path}: {error.strerror}") from None
    with os.fdopen(opened, "w", encoding="ascii") as file:
        file.write(f"{_HEAD}\n{seed.hex()}\n")
        file.flush()
        os.fsync(file.fileno())
    return ed25519_public(seed)


def read(path: Path) -> bytes:
    """Return the seed of a root key: an organisation's, or a relay's as relayd init made it, 32 bytes and nothing else.

    Raises FileUnusable, KeyFileNotPrivate, KeyFileBad.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            octets = file.read(_OCTETS_MAX)
    except OSError as error:
        raise FileUnusable(f"{path}: {error.strerror}") from None
    if mode & _OTHERS:
        raise KeyFileNotPrivate(str(path))
    if len(octets) == _SEED_BYTES and not octets.startswith(_HEAD.encode()):
        return octets
    found = _FORM.fullmatch(octets.decode("ascii", "replace"))
    if found is None:
        raise KeyFileBad(str(path))
    return bytes.fromhex(found[1])
