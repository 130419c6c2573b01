"""The command line's room: the first keys and the configuration file.

Randomness and an empty place enter; a state directory leaves that ``relayd serve`` can start from. The rules of
this file: nothing that exists is overwritten, the keys appear at once or not at all, and whoever runs it is told
that the offline root belongs on another machine.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from relayd import keyring
from relayd.config import Config, StoreSection
from relayd.exits import Exit, Expected
from relayd.sample import sample
from relayproto import descriptor
from relayproto.descriptor import KeyDescriptor
from relayproto.primitives import KEY_BYTES, Entropy, ed25519_public, x25519_public

OFFLINE_ROOT: Final = keyring.OFFLINE_ROOT
CONFIG: Final = "relayd.toml"
_DAY_MS: Final = 86_400_000
VALID_DAYS: Final = 730
"""Two years: long enough that no office is surprised by it, short enough that rotation stays practised."""
SKEW_MS: Final = _DAY_MS
"""A device whose clock is a day behind still believes a fresh relay."""


class CannotCreate(Expected):
    """Nothing was made; the text says why, in one line."""

    status = Exit.CANNOT_CREATE


def _write(path: Path, octets: bytes, mode: int) -> None:
    """Write a new file and sync it; an existing one is FileExistsError."""
    descriptor_ = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor_, "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _files(
    root_seed: bytes, entropy: Entropy, now_ms: int, moderators: tuple[bytes, ...]
) -> dict[str, tuple[bytes, int]]:
    """Return name -> (bytes, mode) of the first relay key and what goes with it."""
    relay, stamp_seed = entropy(KEY_BYTES), entropy(KEY_BYTES)
    key_id = 1
    fields = KeyDescriptor(
        relay_id=int.from_bytes(entropy(4)),
        key_id=key_id,
        x25519=x25519_public(relay),
        stamp_key=ed25519_public(stamp_seed),
        not_before_ms=now_ms - SKEW_MS,
        not_after_ms=now_ms + VALID_DAYS * _DAY_MS,
        issued_ms=now_ms,
        moderators=moderators,
    )
    return {
        keyring.relay_key(key_id): (relay, 0o600),
        keyring.STAMP: (stamp_seed, 0o600),
        keyring.MASTER: (entropy(KEY_BYTES), 0o600),
        keyring.described(key_id): (descriptor.make(root_seed, fields), 0o644),
    }


def make_keys(
    state: Path,
    entropy: Entropy,
    now_ms: int,
    moderators: tuple[bytes, ...] = (),
    store: str = StoreSection().file,
) -> bytes:
    """Make the keys of a relay in ``state`` and return the root's fingerprint; CannotCreate where there are some.

    ``moderators`` are the X25519 public keys of the two who open stamps and reports together, or none. ``store`` is
    the name of the database: one that is there belongs to a relay whose keys were lost, and no new ones open it.
    """
    keys = state / keyring.KEYS
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if keys.exists():
            raise CannotCreate(f"{keys}: there are keys already, and a relay with new ones would be another relay")
        if any((state / name).exists() for name in (store, keyring.DAY_KEYS)):
            raise CannotCreate(
                f"{keys}: they are missing, and new ones cannot open the store that is here; put a copy of keys/ back, "
                "or move everything but relayd.toml away to begin with nothing"
            )
        root_seed = entropy(KEY_BYTES)
        unfinished = Path(tempfile.mkdtemp(prefix="keys-unfinished-", dir=state))
        for name, (octets, mode) in _files(root_seed, entropy, now_ms, moderators).items():
            _write(unfinished / name, octets, mode)
        _sync(unfinished)
        for name, octets, mode in (
            (OFFLINE_ROOT, root_seed, 0o600),
            (keyring.ROOT_PUBLIC, ed25519_public(root_seed), 0o644),
        ):
            # Without keys/ nobody has relied on what an interrupted attempt may have left here.
            (state / name).unlink(missing_ok=True)
            _write(state / name, octets, mode)
        unfinished.rename(keys)
        _sync(state)
    except OSError as error:
        raise CannotCreate(f"{error.filename or state}: {error.strerror}") from None
    return descriptor.fingerprint(ed25519_public(root_seed))


def begun(state: Path) -> bool:
    """Say whether a state directory has keys, whatever they are worth."""
    return (state / keyring.KEYS).exists()


def make_moderator_key(path: Path, entropy: Entropy) -> bytes:
    """Make a moderator's private key, a file of 0600, and return its public half. Raises CannotCreate."""
    private = entropy(KEY_BYTES)
    try:
        _write(path, private, 0o600)
        _sync(path.parent)
    except FileExistsError:
        raise CannotCreate(f"{path}: there is a file already; a key that is lost opens nothing any more") from None
    except OSError as error:
        raise CannotCreate(f"{path}: {error.strerror}") from None
    return x25519_public(private)


def write_config(path: Path, values: Mapping[str, object]) -> None:
    """Write the sample with ``values`` (``section.setting`` -> value) in it; CannotCreate where there is a file."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, sample(values).encode(), 0o640)
    except FileExistsError:
        raise CannotCreate(f"{path}: there is a configuration already; relayd init --config {path} uses it") from None
    except OSError as error:
        raise CannotCreate(f"{path}: {error.strerror}") from None


def report(config_path: Path, config: Config, root_fingerprint: bytes) -> str:
    """Return what the operator should know."""
    state = config.state_directory
    return f"""\
A relay was made in {state}.

  configuration   {config_path}
  devices reach   {config.relay.endpoint}
  root            {root_fingerprint.hex()}

Move {state / OFFLINE_ROOT} to a machine without a network now, and keep a copy.
It signs the relay's keys; the running relay does not need it.

Copy {state / keyring.KEYS} to a safe place away from this machine as well: no backup
holds these keys, and without them no backup brings the relay back.
"""


def next_steps(config_path: Path) -> str:
    """Return what the operator should type next, where nothing else starts the relay."""
    return f"""
Next:
  relayd serve --config {config_path}
  relayd invite officer@office.example --config {config_path}
"""
