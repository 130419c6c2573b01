"""Whom the device knows: accounts, their device lists, and the addresses that name them.

What the relay says of them enters; what is believed is stored, and events tell of changes. The rule of this file: a
device list is believed only where it goes on from the one known (no rollback, no second view), and an address stays
with the account that it first named until the user accepts another (cryptography.md 2).
"""

from collections.abc import Mapping
from functools import lru_cache

from relayclient.events import DevicesChanged, DevicesRefused, Event, IdentityChanged
from relayclient.store.database import Step
from relayproto import identity
from relayproto.e2e.commitment import conversation_id
from relayproto.errors import CryptoFailure, Malformed
from relayproto.identity import DeviceList, Rollback, SplitView
from relayproto.ids import AccountId, Address
from relayproto.limits import ADDRESS_CHARS_MAX, DEDUPE_DAYS

_DAY_MS = 86_400_000
_DECODED_MAX = 1_024
"""Device lists that are kept decoded, a few KiB each: as many people as one writes to in a while."""


def plausible(address: str) -> bool:
    """Say whether a text can be an address at all: one @ with something before and after it, no white space.

    ASCII alone, as at the relay: letters that look like others would make a second address of one that is pinned.
    """
    name, at, place = address.partition("@")
    parts = bool(name and at and place) and "@" not in place
    visible = address.isascii() and address.isprintable() and " " not in address
    return parts and visible and len(address) <= ADDRESS_CHARS_MAX


def meet(step: Step, account: AccountId) -> None:
    """Make sure that there is a row for an account."""
    own = step.setting("account")
    step.run(
        "INSERT OR IGNORE INTO contact (account, conversation) VALUES (?, ?)", account, conversation_id(own, account)
    )


def devices(step: Step, account: AccountId) -> DeviceList | None:
    """Return the newest list that is believed of an account, None where none is known."""
    found = step.row("SELECT listed, signature FROM contact WHERE account = ?", account)
    return _decoded(*found) if found and found[0] is not None else None


@lru_cache(_DECODED_MAX)
def _decoded(listed: bytes, signature: bytes) -> DeviceList:
    """Return what the bytes always mean: a message asks some five times for the same list, and a look costs 0.1 ms."""
    return identity.decode(listed, signature)


def learn(step: Step, account: AccountId, listed: bytes, signature: bytes, now_ms: int) -> tuple[bool, list[Event]]:
    """Take in a device list that the relay shows for an account.

    Returns whether it is believed, and what there is to tell.
    """
    held = devices(step, account)
    try:
        offered = _checked(account, held, listed, signature)
    except Rollback:
        return False, [DevicesRefused(account, "it is older than the one known")]
    except SplitView:
        return False, [DevicesRefused(account, "it contradicts the one known")]
    except (CryptoFailure, Malformed):
        return False, [DevicesRefused(account, "it is not signed by the account")]
    meet(step, account)
    step.run(
        "UPDATE contact SET listed = ?, signature = ?, version = ?, stale = 0 WHERE account = ?",
        listed, signature, offered.version, account,
    )  # fmt: skip
    step.run(
        "INSERT OR IGNORE INTO list_seen (account, version, hash, held_ms) VALUES (?, ?, ?, ?)",
        account, offered.version, identity.list_hash(listed), now_ms,
    )  # fmt: skip
    return True, _changes(step, held, offered)


def _checked(account: AccountId, held: DeviceList | None, listed: bytes, signature: bytes) -> DeviceList:
    offered = identity.decode(listed, signature)
    if offered.account != account:
        raise CryptoFailure
    if held is not None:
        identity.supersedes(held, offered)
    return offered


def _changes(step: Step, held: DeviceList | None, offered: DeviceList) -> list[Event]:
    if held is None:
        return []
    before = {entry.device for entry in held.devices}
    after = {entry.device for entry in offered.devices}
    for device in before - after:
        step.run("DELETE FROM session WHERE account = ? AND device = ?", offered.account, device)
    if before == after:
        return []
    return [DevicesChanged(offered.account, tuple(sorted(after - before)), tuple(sorted(before - after)))]


def list_hashes(step: Step, account: AccountId) -> Mapping[int, bytes]:
    """Return the hashes of an account's lists that were seen, by version."""
    return dict(step.rows("SELECT version, hash FROM list_seen WHERE account = ?", account))


def forget_lists(step: Step, now_ms: int) -> None:
    """Forget hashes of lists that no envelope under way can name any more; the newest of each account stays.

    What counts is since when a newer list is known: until then envelopes were sealed under the older one.
    """
    step.run(
        "DELETE FROM list_seen WHERE EXISTS (SELECT 1 FROM list_seen AS newer WHERE newer.account = list_seen.account"
        " AND newer.version > list_seen.version AND newer.held_ms < ?)",
        now_ms - DEDUPE_DAYS * _DAY_MS,
    )


def mark_stale(step: Step, account: AccountId) -> None:
    """Note that the relay knows other devices of this account: nothing is sent before its list was fetched."""
    step.run("UPDATE contact SET stale = 1 WHERE account = ?", account)


def keep_pass(step: Step, account: AccountId, pass_: bytes) -> None:
    """Keep what lets this account answer another, in place of an older one (spec 70 §6)."""
    step.run("UPDATE contact SET pass = ? WHERE account = ?", pass_, account)


def pass_of(step: Step, account: AccountId) -> bytes:
    """Return what lets this account answer another, empty where it has nothing."""
    found = step.row("SELECT pass FROM contact WHERE account = ?", account)
    return bytes(found[0]) if found and found[0] is not None else b""


def keep_about(step: Step, account: AccountId, about: str) -> None:
    """Keep what somebody says of himself, as the relay shows it now; empty for nothing."""
    step.run("UPDATE contact SET about = ? WHERE account = ?", about, account)


def about(step: Step, account: AccountId) -> str:
    """Return what somebody says of himself, empty for nothing: his own words, which nobody attests."""
    found = step.row("SELECT about FROM contact WHERE account = ?", account)
    return found[0] if found else ""


def version(step: Step, account: AccountId) -> int:
    """Return the version of the newest list that is believed of an account, 0 where none is known."""
    return step.number("SELECT version FROM contact WHERE account = ?", account)


def is_stale(step: Step, account: AccountId) -> bool:
    """Say whether the list known of an account was found wanting."""
    return step.number("SELECT stale FROM contact WHERE account = ?", account) == 1


def pin(step: Step, address: Address, account: AccountId) -> list[Event]:
    """Let an address name an account; one that names another already keeps it, and the user is asked."""
    found = step.row("SELECT account, offered FROM address WHERE address = ?", address)
    if found is None:
        step.run("INSERT INTO address (address, account) VALUES (?, ?)", address, account)
        return []
    known, offered = found
    if account == known:
        step.run("UPDATE address SET offered = NULL WHERE address = ?", address)
        return []
    if account == offered:
        return []
    step.run("UPDATE address SET offered = ? WHERE address = ?", account, address)
    return [IdentityChanged(address, known, account)]


def accept(step: Step, address: Address, account: AccountId) -> bool:
    """Let an address name the account that was offered for it; return whether it is this one that is offered."""
    changed = step.run(
        "UPDATE address SET account = offered, offered = NULL WHERE address = ? AND offered = ?", address, account
    )
    return changed.rowcount > 0


def named(step: Step, address: Address) -> AccountId | None:
    """Return the account that an address is pinned to, None for an unknown address."""
    found = step.row("SELECT account FROM address WHERE address = ?", address)
    return AccountId(found[0]) if found else None


def disputed(step: Step, address: Address) -> bool:
    """Say whether another account is offered for an address: nothing is sent to it before the user has decided."""
    return step.row("SELECT 1 FROM address WHERE address = ? AND offered IS NOT NULL", address) is not None


def address_of(step: Step, account: AccountId) -> Address | None:
    """Return the address that is pinned to an account, None where none is."""
    found = step.row("SELECT address FROM address WHERE account = ? ORDER BY address LIMIT 1", account)
    return Address(found[0]) if found else None


def verified(step: Step, account: AccountId) -> bool:
    """Say whether the user has compared numbers with this account."""
    return step.number("SELECT verified FROM contact WHERE account = ?", account) == 1


def is_blocked(step: Step, account: AccountId) -> bool:
    """Say whether the user wants to see nothing of this account."""
    return step.number("SELECT blocked FROM contact WHERE account = ?", account) == 1


def account_in(step: Step, conversation: bytes) -> AccountId | None:
    """Return the other account of a conversation, None for one that is not known."""
    found = step.row("SELECT account FROM contact WHERE conversation = ?", conversation)
    return AccountId(found[0]) if found else None
