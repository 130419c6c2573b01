"""A leaf of the relay: its secrets, from disk into memory.

A state directory enters; a ``Keyring`` leaves, every part checked against the descriptors that the offline root
signed, or ``BadKeys`` in one line. The rules of this file: a secret comes from a file that nobody else may read or
from a systemd credential, never from an argument or the environment, and is in no repr (cryptography.md §7).
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from relayd.exits import Exit, Expected
from relayproto import descriptor
from relayproto.descriptor import KeyDescriptor
from relayproto.errors import CryptoFailure, Malformed
from relayproto.limits import DESCRIPTOR_BYTES_MAX, RELAY_KEYS_MAX
from relayproto.primitives import KEY_BYTES, ed25519_public, x25519_public

KEYS: Final = "keys"
"""The directory of the keys, in the state directory."""
ROOT_PUBLIC: Final = "root.pub"
"""The offline root's public key, in the state directory: what the descriptors are checked by."""
STAMP: Final = "stamp.key"
MASTER: Final = "master.key"
DAY_KEYS: Final = "day-keys"
"""What the store keeps its keys of days in, in the state directory, wrapped by the master key."""
OFFLINE_ROOT: Final = "offline-root.key"
"""What signs relay keys. It is made beside them and belongs on another machine."""
_EVERYBODY_ELSE: Final = stat.S_IRWXG | stat.S_IRWXO


class BadKeys(Expected):
    """The keys cannot be used; the text says which and why, in one line, and holds nothing of them."""

    status = Exit.CONFIG


@dataclass(frozen=True, slots=True)
class Keyring:
    """What the relay knows and nobody else does.

    ``private`` maps key ids to X25519 keys; ``newest`` is the descriptor that invitations and closed doors carry;
    ``descriptors`` are all that are still good, newest first; ``moderators`` are the newest one's, two or none.
    """

    relay_id: int
    newest: bytes
    descriptors: tuple[bytes, ...]
    root_fingerprint: bytes
    not_after_ms: int
    moderators: tuple[bytes, ...]
    private: Mapping[int, bytes] = field(repr=False)
    stamp_seed: bytes = field(repr=False)
    master_key: bytes = field(repr=False)


def relay_key(key_id: int) -> str:
    """Return the file name of a relay key."""
    return f"relay-{key_id}.key"


def described(key_id: int) -> str:
    """Return the file name of a relay key's descriptor."""
    return f"descriptor-{key_id}"


def _octets(path: Path, maximum: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(maximum + 1)
    except OSError as error:
        hint = ""
        if isinstance(error, FileNotFoundError):
            # A relay with other keys would be another relay: init is for one that has none.
            lost = any((path.parent / KEYS).glob("*") if path.parent.name != KEYS else path.parent.glob("*"))
            hint = "; put its copy back, no other will do" if lost else "; relayd init makes the keys"
        raise BadKeys(f"{path}: {error.strerror}{hint}") from None


def _secret(directory: Path, name: str, credentials: Path | None) -> bytes:
    """Return 32 secret bytes: of the credential ``relayd.NAME`` where there is one, else of the file."""
    path = directory / name
    if credentials is not None and (credentials / f"relayd.{name}").exists():
        path = credentials / f"relayd.{name}"
    elif path.exists() and path.stat().st_mode & _EVERYBODY_ELSE:
        raise BadKeys(f"{path}: others than its owner may read it; chmod 600 it, and think of the key as known to them")
    octets = _octets(path, KEY_BYTES)
    if len(octets) != KEY_BYTES:
        raise BadKeys(f"{path}: not {KEY_BYTES} bytes")
    return octets


def _descriptors(directory: Path, root_fingerprint: bytes) -> dict[bytes, KeyDescriptor]:
    """Return every descriptor of the directory, checked, the newest first."""
    found: dict[bytes, KeyDescriptor] = {}
    for path in directory.glob("descriptor-*"):
        octets = _octets(path, DESCRIPTOR_BYTES_MAX)
        try:
            read = descriptor.read(octets, root_fingerprint)
        except (Malformed, CryptoFailure):
            raise BadKeys(f"{path}: not signed by the root of {ROOT_PUBLIC}") from None
        if path.name != described(read.key_id):
            raise BadKeys(f"{path}: it describes key {read.key_id}")
        found[octets] = read
    if not found:
        raise BadKeys(f"{directory}: no key descriptor; relayd init makes the keys")
    return dict(sorted(found.items(), key=lambda each: each[1].not_before_ms, reverse=True))


def _credentials(environ: Mapping[str, str]) -> Path | None:
    return Path(environ["CREDENTIALS_DIRECTORY"]) if "CREDENTIALS_DIRECTORY" in environ else None


def master_key(state: Path, environ: Mapping[str, str] = os.environ) -> bytes:
    """Return the key that wraps the day keys; BadKeys where it is not there or others may read it."""
    return _secret(state / KEYS, MASTER, _credentials(environ))


def root_fingerprint(state: Path) -> bytes | None:
    """Return the fingerprint of the relay's root, by which devices know it; None where its public key can't be read."""
    try:
        return descriptor.fingerprint(_octets(state / ROOT_PUBLIC, KEY_BYTES))
    except BadKeys:
        return None


def latest(state: Path) -> KeyDescriptor:
    """Return the descriptor of the highest key id, good today or not; BadKeys where there is none."""
    root_fingerprint = descriptor.fingerprint(_octets(state / ROOT_PUBLIC, KEY_BYTES))
    return max(_descriptors(state / KEYS, root_fingerprint).values(), key=lambda read: read.key_id)


def load(state: Path, now_ms: int, environ: Mapping[str, str] = os.environ) -> Keyring:
    """Return the keys of a state directory that are good at ``now_ms``; BadKeys where they do not fit together."""
    directory = state / KEYS
    credentials = _credentials(environ)
    root_fingerprint = descriptor.fingerprint(_octets(state / ROOT_PUBLIC, KEY_BYTES))
    every = _descriptors(directory, root_fingerprint)
    good = {octets: read for octets, read in every.items() if read.good_at(now_ms)}
    if not good:
        raise BadKeys(f"{directory}: no relay key is good today; the offline root must sign a new one")
    stamp_seed = _secret(directory, STAMP, credentials)
    private: dict[int, bytes] = {}
    for read in good.values():
        private[read.key_id] = _secret(directory, relay_key(read.key_id), credentials)
        if x25519_public(private[read.key_id]) != read.x25519:
            raise BadKeys(f"{directory / relay_key(read.key_id)}: not the key of its descriptor")
    newest, read = next(iter(good.items()))
    if ed25519_public(stamp_seed) != read.stamp_key:
        raise BadKeys(f"{directory / STAMP}: not the stamp key of {described(read.key_id)}")
    return Keyring(
        relay_id=read.relay_id,
        newest=newest,
        descriptors=tuple(good)[:RELAY_KEYS_MAX],
        root_fingerprint=root_fingerprint,
        not_after_ms=read.not_after_ms,
        moderators=read.moderators,
        private=private,
        stamp_seed=stamp_seed,
        master_key=_secret(directory, MASTER, credentials),
    )
