"""The command line's room: the relay's next key, which its offline root signs on another machine (spec 55 §6).

Three steps, each a file to carry: a request leaves the relay, a signed descriptor leaves the root's machine, and the
relay takes it. The rules of this file: no private key is carried; nothing that exists is overwritten; the root signs
nothing new but a key and its time, whatever a relay that was broken into asks for; a descriptor is taken only where it
fits the relay, its root and the key that waits for it.
"""

import argparse
import datetime as dt
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from relayd.exits import CannotGoOn, Exit

if TYPE_CHECKING:
    from relayproto.descriptor import KeyDescriptor
    from relayproto.primitives import Entropy

_REQUEST_SIGNER: Final = bytes(32)
"""A request is a descriptor that nobody's root has signed: the key that everybody knows stands in for it."""
_NO_REQUEST: Final = "not a request of relayd next-key"
_DAY_MS: Final = 86_400_000
_DAYS_MAX: Final = 3_650


def request(state: Path, entropy: "Entropy", now_ms: int) -> bytes:
    """Make the next key in a state directory and return the request for it; CannotGoOn where that can't be.

    A key that waits for its descriptor already is asked for again. The descriptor before it goes along: the root's own
    word, against which its machine holds what is asked.
    """
    from msgspec.structs import replace

    from relayd import keyring
    from relayproto import descriptor
    from relayproto.packed import pack
    from relayproto.primitives import KEY_BYTES, x25519_public

    newest = keyring.latest(state)
    previous = (state / keyring.KEYS / keyring.described(newest.key_id)).read_bytes()
    key_id = newest.key_id + 1
    path = state / keyring.KEYS / keyring.relay_key(key_id)
    if not path.exists():
        _write(path, entropy(KEY_BYTES), 0o600)
    asked = replace(newest, key_id=key_id, x25519=x25519_public(path.read_bytes()), issued_ms=now_ms)
    return pack(descriptor.make(_REQUEST_SIGNER, asked), previous)


def sign(asked: bytes, root_seed: bytes, now_ms: int, days: int, previous: bytes | None = None) -> "KeyDescriptor":
    """Return what the offline root says to a request, to be signed with ``descriptor.make``.

    Good from now on for so many days. ``previous`` is the descriptor before it, the request's own one where None.
    CannotGoOn where the root did not sign that, or where anything differs from it but the key and its time: moderators
    and the stamp key are nothing that a relay may ask for.
    """
    from msgspec.structs import replace

    from relayd.initialise import SKEW_MS
    from relayproto import descriptor
    from relayproto.primitives import ed25519_public

    request_, enclosed = _parts(asked)
    wanted = _read(request_, descriptor.fingerprint(ed25519_public(_REQUEST_SIGNER)), _NO_REQUEST)
    root = descriptor.fingerprint(ed25519_public(root_seed))
    before = _read(
        enclosed if previous is None else previous, root, "the descriptor before it is not signed by this root"
    )
    for name in ("relay_id", "stamp_key", "moderators"):
        if getattr(wanted, name) != getattr(before, name):
            raise CannotGoOn(
                f"the request has another {name.replace('_', ' ')} than the descriptor before it; nothing is signed:"
                " find out who changed it", Exit.REFUSED,
            )  # fmt: skip
    if wanted.key_id <= before.key_id:
        raise CannotGoOn(f"key {wanted.key_id} does not follow key {before.key_id}", Exit.REFUSED)
    return replace(
        before, key_id=wanted.key_id, x25519=wanted.x25519, not_before_ms=now_ms - SKEW_MS,
        not_after_ms=now_ms + days * _DAY_MS, issued_ms=now_ms,
    )  # fmt: skip


def _parts(asked: bytes) -> tuple[bytes, bytes]:
    """Return what a request asks for, and the descriptor before it."""
    from relayproto.errors import Malformed
    from relayproto.packed import unpack

    try:
        return unpack(asked, tuple[bytes, bytes])
    except Malformed:
        raise CannotGoOn(_NO_REQUEST, Exit.REFUSED) from None


def shown(said: "KeyDescriptor") -> str:
    """Return what a descriptor says, for the person at the root's machine."""
    from relayproto.descriptor import fingerprint

    moderators = [key.hex() for key in said.moderators] or ["none"]
    lines = [
        ("relay", str(said.relay_id)), ("key", str(said.key_id)), ("public key", said.x25519.hex()),
        ("good from", _when(said.not_before_ms)), ("until", _when(said.not_after_ms)),
        ("stamp key", f"{fingerprint(said.stamp_key).hex()} (its fingerprint)"),
        *(("moderator", each) for each in moderators),
    ]  # fmt: skip
    return "".join(f"  {name:<11} {value}\n" for name, value in lines)


def _when(at_ms: int) -> str:
    return dt.datetime.fromtimestamp(at_ms / 1000, tz=dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def install(state: Path, signed: bytes, now_ms: int) -> "KeyDescriptor":
    """Put a signed descriptor where the relay finds it; CannotGoOn where it doesn't fit."""
    from relayd import keyring
    from relayproto import descriptor
    from relayproto.primitives import x25519_public

    newest = keyring.latest(state)
    root = descriptor.fingerprint((state / keyring.ROOT_PUBLIC).read_bytes())
    taken = _read(signed, root, "not signed by this relay's root")
    path = state / keyring.KEYS / keyring.relay_key(taken.key_id)
    if (taken.relay_id, taken.stamp_key) != (newest.relay_id, newest.stamp_key):
        raise CannotGoOn("this descriptor is another relay's", Exit.REFUSED)
    if not path.exists() or x25519_public(path.read_bytes()) != taken.x25519:
        raise CannotGoOn(f"{path}: not the key that this descriptor describes; ask for it again", Exit.REFUSED)
    if not taken.good_at(now_ms):
        raise CannotGoOn("this descriptor is not good today; look at both machines' clocks", Exit.REFUSED)
    _write(state / keyring.KEYS / keyring.described(taken.key_id), signed, 0o644)
    return taken


def _read(octets: bytes, root: bytes, said: str) -> "KeyDescriptor":
    from relayproto import descriptor
    from relayproto.errors import CryptoFailure, Malformed

    try:
        return descriptor.read(octets, root)
    except (Malformed, CryptoFailure):
        raise CannotGoOn(said, Exit.REFUSED) from None


def _write(path: Path, octets: bytes, mode: int) -> None:
    """Write a new file, synced with its directory, so that it is there as a whole or not at all."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        opened = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(opened, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        os.link(unfinished, path)
    except FileExistsError:
        raise CannotGoOn(f"{path}: there is a file already", Exit.CANNOT_CREATE) from None
    except OSError as error:
        raise CannotGoOn(f"{path}: {error.strerror}", Exit.CANNOT_CREATE) from None
    finally:
        unfinished.unlink(missing_ok=True)
    held = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(held)
    finally:
        os.close(held)


def _file(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(4096)
    except OSError as error:
        raise CannotGoOn(f"{path}: {error.strerror}", Exit.NO_INPUT) from None


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _DAYS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 to {_DAYS_MAX}")
    return int(text)


def add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    state_of: Callable[[argparse.Namespace], Path],
) -> None:
    """Add ``next-key`` to the command line; ``state_of`` finds the state directory that arguments name."""
    parser = commands.add_parser(
        "next-key", help="make the relay's next key and have the offline root sign it",
        description="Make the relay's next key before the present one ends. Three steps: request on the relay's "
        "machine, sign on the offline root's, install on the relay's again. Only the request and the descriptor are "
        "carried between them; both may be seen by anybody.",
        epilog="examples:\n  relayd next-key request --to next.request\n"
        "  relayd next-key sign next.request --root offline-root.key --to next.descriptor\n"
        "  relayd next-key install next.descriptor && systemctl restart relayd",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    steps = parser.add_subparsers(metavar="STEP", required=True)
    asking = steps.add_parser(
        "request", help="on the relay's machine: make the key, and the request for its descriptor"
    )
    asking.add_argument("--to", metavar="FILE", required=True, help="where the request goes")
    signing = steps.add_parser("sign", help="on the offline root's machine: make a descriptor of a request")
    signing.add_argument("request", metavar="REQUEST", help="the file that request wrote")
    signing.add_argument("--root", metavar="FILE", required=True, help="offline-root.key")
    signing.add_argument(
        "--previous", metavar="FILE",
        help="the descriptor before it, as this machine kept it (default: the one in the request); nothing but the key"
        " and its time may differ from it",
    )  # fmt: skip
    signing.add_argument("--to", metavar="FILE", required=True, help="where the descriptor goes")
    signing.add_argument("--days", type=_days, default=730, help="how long the key is good (default: 730)")
    taking = steps.add_parser("install", help="on the relay's machine: take the descriptor; restart the relay then")
    taking.add_argument("descriptor", metavar="DESCRIPTOR", help="the file that sign wrote")
    for step in (asking, taking):
        where = step.add_mutually_exclusive_group()
        where.add_argument("--config", metavar="FILE", help="configuration file (default: /etc/relayd/relayd.toml)")
        where.add_argument("--state", metavar="DIR", help="state directory with a relayd.toml in it")
    asking.set_defaults(run=lambda arguments: _request(arguments, state_of(arguments)))
    signing.set_defaults(run=_sign)
    taking.set_defaults(run=lambda arguments: _install(arguments, state_of(arguments)))


def _now_ms() -> int:
    from relayd.clock import SystemClock

    return SystemClock().now_ms()


def _request(arguments: argparse.Namespace, state: Path) -> Exit:
    from relayd.entropy import system_entropy

    _write(Path(arguments.to), request(state, system_entropy, _now_ms()), 0o644)
    sys.stdout.write(f"Carry {arguments.to} to the machine with the offline root: relayd next-key sign\n")
    return Exit.OK


def _sign(arguments: argparse.Namespace) -> Exit:
    from relayproto import descriptor
    from relayproto.primitives import KEY_BYTES

    root = _file(arguments.root)
    if len(root) != KEY_BYTES:
        raise CannotGoOn(f"{arguments.root}: not {KEY_BYTES} bytes, so no root key", Exit.REFUSED)
    previous = None if arguments.previous is None else _file(arguments.previous)
    said = sign(_file(arguments.request), root, _now_ms(), arguments.days, previous)
    _write(Path(arguments.to), descriptor.make(root, said), 0o644)
    sys.stdout.write(
        f"The root has signed:\n{shown(said)}If that is right, carry {arguments.to} back to the relay, and keep a copy"
        " here for --previous: relayd next-key install\n"
    )
    return Exit.OK


def _install(arguments: argparse.Namespace, state: Path) -> Exit:
    taken = install(state, _file(arguments.descriptor), _now_ms())
    sys.stdout.write(f"Key {taken.key_id} is in place. Restart the relay; devices learn it while both are good.\n")
    return Exit.OK
