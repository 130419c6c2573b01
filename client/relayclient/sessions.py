"""The end-to-end sessions with other devices, between the store and ``relayproto.e2e.session``.

Prekeys, plaintexts and wraps enter; wraps and plaintexts leave. The rule of this file: a state is read from the store
and written back within one step, and a wrap that fails to open changes nothing.
"""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from relayclient import contacts, prekeys
from relayclient.events import Event, SessionBegunAnew
from relayclient.store.database import Step
from relayproto.e2e import passing as e2e_passing
from relayproto.e2e import session
from relayproto.e2e.handshake import Own, Recipient
from relayproto.e2e.passing import Passed
from relayproto.e2e.session import Answering, Peer, Received, Sessions
from relayproto.errors import CryptoFailure
from relayproto.identity import DeviceList
from relayproto.ids import AccountId, DeviceId
from relayproto.limits import RETRY_MAX
from relayproto.notices import Deliver, Passing
from relayproto.replies import Bundle

HOUR_MS: Final = 3_600_000
HEED_MS: Final = 3_000_000
"""What a device heeds once within: less than the hour in which it asks once, since messages travel for a while."""
UNREADY_MS: Final = 600_000
"""How long a device that has no prekeys is not asked about again: when it comes it asks for what it missed."""
_LOST_MAX: Final = 256
"""Commitments of one device's that are remembered to ask for; a relay can make up any number."""
_ORDER_MAX: Final = (1 << 32) - 1


def others(step: Step, devices: DeviceList) -> tuple[DeviceId, ...]:
    """Return the devices of a list that envelopes go to: all, but not this one."""
    own = step.setting("device") if devices.account == step.setting("account") else 0
    return tuple(entry.device for entry in devices.devices if entry.device != own)


def lacking(step: Step, devices: DeviceList, now_ms: int) -> tuple[DeviceId, ...]:
    """Return the devices with which a session has to begin before anything goes to an account.

    A device without prekeys at the relay is left out for UNREADY_MS, so that the others can be written to.
    """
    without = unsealable(step, devices)
    if not without or len(without) == len(others(step, devices)):
        return without  # All could read it, or none.
    excused = step.rows(
        "SELECT device FROM session WHERE account = ? AND unready_until_ms > ?", devices.account, now_ms
    )
    return tuple(device for device in without if (device,) not in excused)


def unsealable(step: Step, devices: DeviceList) -> tuple[DeviceId, ...]:
    """Return the devices of a list that have no session which may be used."""
    ready = step.rows(
        "SELECT device FROM session WHERE account = ? AND sealed_state IS NOT NULL AND renew = 0", devices.account
    )
    return tuple(device for device in others(step, devices) if (device,) not in ready)


def begin(step: Step, devices: DeviceList, bundles: Iterable[Bundle], asked: Iterable[DeviceId], now_ms: int) -> None:
    """Begin a session with each device that lacks one and whose bundle holds; other bundles are ignored.

    Note of the devices that were ``asked`` for and have none still that they are not ready for now.
    """
    wanted = unsealable(step, devices)
    version, hash_of_list = step.rows(
        "SELECT version, hash FROM list_seen WHERE account = ? ORDER BY version DESC LIMIT 1", devices.account
    )[0]
    for bundle in bundles:
        entry = devices.entry(bundle.device)
        if entry is None or bundle.device not in wanted:
            continue
        held = _held(step, Peer(devices.account, bundle.device))
        recipient = Recipient(devices.account, entry, version, hash_of_list, bundle)
        try:
            _keep(step, session.begin(held, _own(step), recipient, entropy=step.entropy))
        except CryptoFailure:
            continue
        step.run("UPDATE session SET renew = 0 WHERE account = ? AND device = ?", devices.account, bundle.device)
    for device in set(asked) & set(unsealable(step, devices)):
        step.run(
            "INSERT INTO session (account, device, unready_until_ms) VALUES (?, ?, ?)"
            " ON CONFLICT (account, device) DO UPDATE SET unready_until_ms = excluded.unready_until_ms",
            devices.account, device, now_ms + UNREADY_MS,
        )  # fmt: skip


def retire_all(step: Step) -> None:
    """Retire all sessions: the next message to each device begins a new one (spec 60 §4)."""
    for place in step.rows("SELECT account, device FROM session WHERE sealed_state IS NOT NULL"):
        _keep(step, session.retire(_held(step, Peer(*place))))
        step.run("UPDATE session SET renew = 1 WHERE account = ? AND device = ?", *place)


def seal(step: Step, account: AccountId, device: DeviceId, plaintext: bytes) -> bytes:
    """Return the wrap of a plaintext for a device with a session; its next state is written."""
    after, wrap = session.seal(_held(step, Peer(account, device)), plaintext)
    _keep(step, after)
    return wrap


def pass_by(step: Step, account: AccountId, device: DeviceId, passed: Passed) -> bytes | None:
    """Return the wrap of what passes by, None where no session is known to be on both sides. No state changes."""
    own = Peer(step.setting("account"), step.setting("device"))
    return e2e_passing.seal(_held(step, Peer(account, device)), own, passed, step.entropy)


def passed_by(step: Step, passing: Passing) -> Passed:
    """Return what passed by, or raise CryptoFailure."""
    return e2e_passing.read(_held(step, Peer(passing.sender, passing.sender_device)), passing.wrap)


def opened(step: Step, delivered: Deliver, newest: DeviceList, now_ms: int) -> Received:
    """Return what the wrap of an envelope holds; nothing is written before ``commit``.

    ``newest`` is the newest list known of the sender's account. Raises CryptoFailure, and its NewerList where the
    sender knows a newer one.
    """
    held = _held(step, Peer(delivered.sender, delivered.sender_device))
    head = session.prekeys_of(held, delivered.wrap)
    answering = None
    if head is not None:
        seen = {mark for (mark,) in step.rows("SELECT mark FROM first_message WHERE signed_id = ?", head.signed)}
        answering = Answering(
            _own(step),
            prekeys.secrets(step, head),
            contacts.list_hashes(step, step.setting("account")),
            newest,
            contacts.list_hashes(step, newest.account),
            seen,
        )
    return session.open_wrap(held, delivered.wrap, now_ms=now_ms, entropy=step.entropy, answering=answering)


def commit(step: Step, received: Received, now_ms: int, *, answer: bool = False) -> list[Event]:
    """Write the state after a wrap was opened, together with what it used up; tell of a session that began anew.

    ``answer``: the other side could not open something, so the session that it has now used is used for what follows,
    whichever is the newest: a side that lost its sessions counts them anew.
    """
    after = received.sessions
    before = _held(step, after.peer)
    if answer:
        used = next(one for one in after.sessions if one not in before.sessions)
        first = replace(used, order=min(1 + max(one.order for one in after.sessions), _ORDER_MAX))
        after = replace(after, sessions=(first, *(one for one in after.sessions if one is not used)))
    _keep(step, after)
    if received.begun is None:
        return []
    prekeys.used(step, received.begun.used)
    if received.begun.remember is not None:
        step.run(
            "INSERT INTO first_message (mark, signed_id) VALUES (?, ?)",
            received.begun.remember, received.begun.used.signed,
        )  # fmt: skip
    peer = after.peer
    step.run("UPDATE session SET renew = 0 WHERE account = ? AND device = ?", *peer)
    if not session.is_living(before):
        return []
    step.run("UPDATE session SET anew_ms = ? WHERE account = ? AND device = ?", now_ms, *peer)
    return [SessionBegunAnew(peer.account, peer.device, now_ms)]


def begun_anew(step: Step, account: AccountId) -> tuple[tuple[DeviceId, int], ...]:
    """Return the devices of an account that began a session beside one in use, each with when it last did (unix ms)."""
    rows = step.rows(
        "SELECT device, anew_ms FROM session WHERE account = ? AND anew_ms IS NOT NULL ORDER BY device", account
    )
    return tuple((DeviceId(device), at_ms) for device, at_ms in rows)


def lost(step: Step, delivered: Deliver, now_ms: int) -> None:
    """Note that no session opens an envelope: its sender is to be asked for it."""
    place = (delivered.sender, delivered.sender_device)
    step.run("INSERT OR IGNORE INTO session (account, device) VALUES (?, ?)", *place)
    if step.number("SELECT COUNT(*) FROM lost WHERE account = ? AND device = ?", *place) < _LOST_MAX:
        step.run(
            "INSERT OR IGNORE INTO lost (account, device, commitment, lost_ms) VALUES (?, ?, ?, ?)",
            *place, delivered.commitment, now_ms,
        )  # fmt: skip


def found(step: Step, delivered: Deliver) -> None:
    """Note that what may have been lost has come."""
    step.run(
        "DELETE FROM lost WHERE account = ? AND device = ? AND commitment = ?",
        delivered.sender, delivered.sender_device, delivered.commitment,
    )  # fmt: skip


def to_ask(step: Step, now_ms: int) -> list[AccountId]:
    """Return the accounts that are to be sent a retry request now, once an hour a device at most.

    The sessions in use with their devices are given up.
    """
    rows = step.rows(
        "SELECT DISTINCT account, device FROM lost JOIN session USING (account, device) WHERE asked_ms <= ?",
        now_ms - HOUR_MS,
    )
    for place in rows:
        step.run("UPDATE session SET asked_ms = ?, renew = 1 WHERE account = ? AND device = ?", now_ms, *place)
    return list(dict.fromkeys(AccountId(account) for account, _ in rows))


def take_lost(step: Step, account: AccountId) -> tuple[bytes, ...]:
    """Return at most RETRY_MAX commitments to name in a retry request, the oldest first; the rest is for the next."""
    rows = step.rows(
        "SELECT commitment FROM lost WHERE account = ? ORDER BY lost_ms, commitment LIMIT ?", account, RETRY_MAX
    )
    for (commitment,) in rows:
        step.run("DELETE FROM lost WHERE account = ? AND commitment = ?", account, commitment)
    return tuple(commitment for (commitment,) in rows)


def forget_lost(step: Step, before_ms: int) -> None:
    """Forget what was lost before a time: nobody sends it again."""
    step.run("DELETE FROM lost WHERE lost_ms < ?", before_ms)


def may_heed(step: Step, account: AccountId, device: DeviceId, now_ms: int) -> bool:
    """Say whether a device's retry request is to be followed now, and if so note it: one an hour costs little."""
    changed = step.run(
        "UPDATE session SET heard_ms = ? WHERE account = ? AND device = ? AND heard_ms <= ?",
        now_ms, account, device, now_ms - HEED_MS,
    )  # fmt: skip
    return changed.rowcount > 0


def _own(step: Step) -> Own:
    account = step.setting("account")
    version, hash_of_list = step.rows(
        "SELECT version, hash FROM list_seen WHERE account = ? ORDER BY version DESC LIMIT 1", account
    )[0]
    return Own(account, step.setting("device"), version, hash_of_list, step.secret("dh_private"))


def _place(peer: Peer) -> tuple[bytes, ...]:
    return b"session", peer.account, peer.device.to_bytes(4)


def _held(step: Step, peer: Peer) -> Sessions:
    found = step.row(
        "SELECT sealed_state FROM session WHERE account = ? AND device = ? AND sealed_state IS NOT NULL", *peer
    )
    return session.from_bytes(step.open(found[0], *_place(peer))) if found else Sessions(peer)


def _keep(step: Step, sessions: Sessions) -> None:
    peer = sessions.peer
    step.run(
        "INSERT INTO session (account, device, sealed_state) VALUES (?, ?, ?)"
        " ON CONFLICT (account, device) DO UPDATE SET sealed_state = excluded.sealed_state",
        peer.account, peer.device, step.seal(session.to_bytes(sessions), *_place(peer)),
    )  # fmt: skip
