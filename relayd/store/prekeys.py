"""The store room: prekeys - deposited by their device, handed out once to those who write first (spec 60 §1).

Signed prekeys that a service has verified enter; bundles leave. The rules of this file: a one-time prekey is handed
out once; what was deposited before is not taken in again, so that a repeat after a lost answer does no harm; what one
device may keep here is bounded.
"""

from collections.abc import Iterable
from typing import Final

from relayd.domain import permits
from relayd.domain.answers import BundlesTaken
from relayd.domain.refusals import Refusal
from relayd.domain.seat import Seat
from relayd.store import rows
from relayd.store.commit import Commit
from relayproto.codes import Code, PrekeyKind
from relayproto.commands import GetBundles, SignedPrekey
from relayproto.ids import DeviceId
from relayproto.limits import KEM_PREKEYS_MAX, ONE_TIME_PREKEYS_MAX, PREKEYS_LOW
from relayproto.notices import PrekeysLow
from relayproto.replies import Bundle, Bundles, PrekeysLeft

_ONCE: Final = {
    PrekeyKind.ONE_TIME: ("one_time_high", ONE_TIME_PREKEYS_MAX),
    PrekeyKind.KEM_ONE_TIME: ("kem_high", KEM_PREKEYS_MAX),
}


def left(commit: Commit, row: int) -> PrekeysLeft:
    """Return how many one-time prekeys of each family a device has here."""
    counts = dict(
        commit.db.execute(
            "SELECT kind, count(*) FROM prekey WHERE device = ? AND kind IN (?, ?) GROUP BY kind", (row, *_ONCE)
        ).fetchall()
    )
    return PrekeysLeft(counts.get(PrekeyKind.ONE_TIME, 0), counts.get(PrekeyKind.KEM_ONE_TIME, 0))


def deposit(commit: Commit, seat: Seat, prekeys: Iterable[SignedPrekey]) -> PrekeysLeft:
    """Take prekeys in and return what is there; Refusal(LIMIT) where it would be too many."""
    commit.require(seat)
    put(commit, seat.row, prekeys)
    return left(commit, seat.row)


def put(commit: Commit, row: int, prekeys: Iterable[SignedPrekey]) -> None:
    """Put a device's prekeys in: one that is used again replaces its predecessor, one-time ones join the others.

    A device numbers its one-time prekeys of a kind upwards: a number that is not above the highest deposited before
    is one that was taken in already.
    """
    offered = list(prekeys)
    for kind, (column, maximum) in _ONCE.items():
        high: int = commit.db.execute(f"SELECT {column} FROM device WHERE id = ?", (row,)).fetchone()[0]  # noqa: S608
        new = {prekey.id: prekey for prekey in offered if prekey.kind is kind and prekey.id > high}
        if not new:
            continue
        have: int = commit.db.execute(
            "SELECT count(*) FROM prekey WHERE device = ? AND kind = ?", (row, kind)
        ).fetchone()[0]
        if have + len(new) > maximum:
            raise Refusal(Code.LIMIT)
        _insert(commit, row, new.values())
        commit.db.execute(f"UPDATE device SET {column} = ? WHERE id = ?", (max(new), row))  # noqa: S608
    lasting = {prekey.kind: prekey for prekey in offered if prekey.kind not in _ONCE}
    for kind in lasting:
        commit.db.execute("DELETE FROM prekey WHERE device = ? AND kind = ?", (row, kind))
    _insert(commit, row, lasting.values())


def _insert(commit: Commit, row: int, prekeys: Iterable[SignedPrekey]) -> None:
    rows.PREKEYS.run(commit.db, [(row, p.kind, p.id, p.key, p.signature) for p in prekeys])


def bundles(commit: Commit, seat: Seat, command: GetBundles) -> BundlesTaken:
    """Take a bundle for each device that is named, or for all; Refusal(NOT_AVAILABLE) for an account that is not there.

    A device that has deposited nothing yet, or was removed, has no bundle: the list says so to whoever knew an older
    one. The asking device gets none of its own.
    """
    commit.require(seat)
    account, devices = command.account, command.devices
    party, who = commit.party(account), commit.party(seat.account)
    if party is None or who is None:
        raise Refusal(Code.NOT_AVAILABLE)
    passes = commit.tools.contacts.passes
    permitted = permits.may_find(who.side, party.side) or passes.good(
        command.pass_, account, seat.account, commit.now_ms
    )
    if not commit.is_there(party, who, permitted=permitted):
        raise Refusal(Code.NOT_AVAILABLE)
    listed, signature = commit.db.execute(
        "SELECT devices, signature FROM account WHERE id = ?", (party.row,)
    ).fetchone()
    others = party.without(seat.row)
    taken: list[Bundle] = []
    low: list[tuple[int, PrekeysLow]] = []
    for device in sorted(set(devices) or others):
        row = others.get(device)
        bundle = None if row is None else _bundle(commit, row, device)
        if row is None or bundle is None:
            continue
        taken.append(bundle)
        if bundle.one_time is None and bundle.kem.kind is PrekeyKind.KEM_LAST_RESORT:
            continue
        remaining = left(commit, row)
        if min(remaining.one_time, remaining.kem) < PREKEYS_LOW:
            low.append((row, PrekeysLow(remaining.one_time, remaining.kem)))
    return BundlesTaken(Bundles(listed, signature, tuple(taken)), tuple(low))


def _bundle(commit: Commit, row: int, device: DeviceId) -> Bundle | None:
    signed = _oldest(commit, row, PrekeyKind.SIGNED)
    last_resort = _oldest(commit, row, PrekeyKind.KEM_LAST_RESORT)
    if signed is None or last_resort is None:
        return None
    one_time = _take(commit, row, PrekeyKind.ONE_TIME)
    kem = _take(commit, row, PrekeyKind.KEM_ONE_TIME)
    tally = commit.done.tally
    tally.prekeys += (one_time is not None) + (kem is not None)
    tally.last_resort += kem is None
    return Bundle(device, signed, one_time, kem or last_resort)


def _oldest(commit: Commit, row: int, kind: PrekeyKind) -> SignedPrekey | None:
    found = commit.db.execute(
        "SELECT number, key, signature FROM prekey WHERE device = ? AND kind = ? ORDER BY number LIMIT 1", (row, kind)
    ).fetchone()
    return None if found is None else SignedPrekey(kind, *found)


def _take(commit: Commit, row: int, kind: PrekeyKind) -> SignedPrekey | None:
    prekey = _oldest(commit, row, kind)
    if prekey is not None:
        commit.db.execute("DELETE FROM prekey WHERE device = ? AND kind = ? AND number = ?", (row, kind, prekey.id))
    return prekey
