"""What people ask of whom the device knows: the list of contacts, and comparing numbers.

Accounts and addresses enter; contacts, numbers and codes leave. The rule of this file: nothing counts as verified but
what the user has said, or a code that names the very keys that the device knows.
"""

from relayclient import contacts, outbox, safety, sessions
from relayclient.errors import UnknownContact
from relayclient.store.database import Step
from relayproto import identity
from relayproto.identity import DeviceList
from relayproto.ids import AccountId, Address, DeviceId
from relayproto.value import Value


class Contact(Value, frozen=True):
    """An account that this device knows. ``offered`` is the account that its address names now, where that differs.

    ``blocked``: the user wants to see nothing of it; ``block_due``: the relay is still to be told of that, or of the
    contrary; ``block_code``: the relay's where it refused to take part. ``about``: what the person says of himself.
    ``begun_anew``: devices that began a session beside one in use, with when they last did (SessionBegunAnew).
    """

    account: AccountId
    address: Address | None
    devices: DeviceList | None
    verified: bool
    offered: AccountId | None
    blocked: bool
    block_due: bool
    block_code: int | None
    about: str = ""
    begun_anew: tuple[tuple[DeviceId, int], ...] = ()


def everybody(step: Step) -> list[Contact]:
    """Return every account known but the device's own."""
    rows = step.rows("SELECT account FROM contact WHERE account != ? ORDER BY account", step.setting("account"))
    return [_contact(step, account) for (account,) in rows]


def find(step: Step, who: Address | AccountId) -> Contact:
    """Return one contact. Raises UnknownContact."""
    account = AccountId(who) if isinstance(who, bytes) else contacts.named(step, Address(who.strip().lower()))
    if account is None or step.row("SELECT 1 FROM contact WHERE account = ?", account) is None:
        raise UnknownContact(who if isinstance(who, str) else who.hex())
    return _contact(step, account)


def _contact(step: Step, account: AccountId) -> Contact:
    found = step.row("SELECT offered FROM address WHERE account = ? ORDER BY address LIMIT 1", account)
    return Contact(
        account,
        contacts.address_of(step, account),
        contacts.devices(step, account),
        contacts.verified(step, account),
        found[0] if found else None,
        contacts.is_blocked(step, account),
        *safety.block_state(step, account),
        contacts.about(step, account),
        sessions.begun_anew(step, account),
    )


def _keys(step: Step, account: AccountId) -> tuple[bytes, bytes]:
    own, other = (contacts.devices(step, who) for who in (step.setting("account"), account))
    if own is None or other is None:
        raise UnknownContact(account.hex())
    return own.identity_key, other.identity_key


def safety_number(step: Step, account: AccountId) -> str:
    """Return the 60 digits to compare with that person. Raises UnknownContact."""
    return identity.safety_number(*_keys(step, account))


def verification_code(step: Step, account: AccountId) -> bytes:
    """Return the bytes of the QR code to show to that person. Raises UnknownContact."""
    return identity.verification_code(*_keys(step, account))


def verify(step: Step, account: AccountId, scanned: bytes | None) -> bool:
    """Note that the user has compared numbers, or scanned a code that matches; return whether it counts."""
    own, other = _keys(step, account)
    if scanned is not None and not identity.matches(scanned, own, other):
        return False
    step.run("UPDATE contact SET verified = 1 WHERE account = ?", account)
    return True


def accept(step: Step, address: Address, offered: AccountId) -> None:
    """Let an address name the account that was offered for it, and what waits go there. Raises UnknownContact."""
    if not contacts.accept(step, address, offered):
        raise UnknownContact(address)
    outbox.readdressed(step, address)
