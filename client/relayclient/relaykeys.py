"""The relay's keys that its offline root signed: for the handshake, and for the stamps that envelopes carry.

Descriptors enter; keys leave. The rule of this file: a key counts only with the signature of the root whose fingerprint
came with the invitation, and a handshake never goes back to a key that is older than one known.
"""

from typing import Final

from relayclient.errors import RelayUntrusted
from relayclient.events import Event, RelayKeyChanged
from relayclient.store.database import Step
from relayproto import descriptor
from relayproto.descriptor import KeyDescriptor
from relayproto.errors import CryptoFailure, Malformed
from relayproto.ids import KeyId
from relayproto.limits import DEDUPE_DAYS

_DAY_MS: Final = 86_400_000


def keep(step: Step, described: bytes) -> KeyDescriptor:
    """Keep a descriptor and return what it says; of one key the one that was issued last stays.

    Raises RelayUntrusted where the root did not sign it, or where it is of another relay than the one joined.
    """
    try:
        read = descriptor.read(described, step.setting("root"))
    except (CryptoFailure, Malformed):
        raise RelayUntrusted from None
    if step.setting("relay_id") not in (None, read.relay_id):
        raise RelayUntrusted
    if not any(held.key_id == read.key_id and held.issued_ms > read.issued_ms for held in known(step)):
        step.run(
            "INSERT OR REPLACE INTO relay_key (key_id, descriptor, not_after_ms) VALUES (?, ?, ?)",
            read.key_id, described, read.not_after_ms,
        )  # fmt: skip
    return read


def choose(step: Step, now_ms: int) -> list[Event]:
    """Use the newest good key for the next connection; tell of it where it is another than before."""
    keys = known(step)
    good = [key for key in keys if key.good_at(now_ms)]
    newest = max(good, key=_age, default=None)
    used = next((key for key in keys if key.key_id == step.setting("key_id")), None)
    if newest is None or newest.key_id == step.setting("key_id") or (used is not None and _age(newest) < _age(used)):
        return []
    step.put("key_id", newest.key_id)
    step.put("relay_key", newest.x25519)
    return [RelayKeyChanged(KeyId(newest.key_id))]


def is_over(step: Step, now_ms: int) -> bool:
    """Say whether the key for the next connection is past its date: whoever shows it then may have stolen it."""
    key_id = step.setting("key_id")
    return any(key.key_id == key_id and key.not_after_ms < now_ms for key in known(step))


def _age(key: KeyDescriptor) -> tuple[int, int]:
    return key.issued_ms, key.key_id


def known(step: Step) -> list[KeyDescriptor]:
    """Return every descriptor kept, past ones included: envelopes with their stamps may still come."""
    return [descriptor.read(described, step.setting("root")) for described in as_signed(step)]


def as_signed(step: Step) -> list[bytes]:
    """Return every descriptor kept, as the root signed it."""
    return [described for (described,) in step.rows("SELECT descriptor FROM relay_key ORDER BY key_id")]


def moderators(step: Step, now_ms: int) -> tuple[bytes, ...]:
    """Return the two moderators' keys of the newest good descriptor, () where the relay has no moderators."""
    good = [key for key in known(step) if key.good_at(now_ms)]
    newest = max(good, key=_age, default=None)
    return () if newest is None else newest.moderators


def forget(step: Step, now_ms: int) -> None:
    """Forget descriptors under which nothing that can still come was stamped."""
    step.run("DELETE FROM relay_key WHERE not_after_ms < ?", now_ms - DEDUPE_DAYS * _DAY_MS)
