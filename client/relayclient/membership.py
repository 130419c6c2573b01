"""How a device comes to be: its keys, its account, and what it says to join.

An invitation or a code enters and ENROL or REGISTER leaves; ENROLLED enters and the device is joined. The rule of this
file: all keys are in the store before anything is sent, and it is the same each time: what was cut off goes on with the
same keys.
"""

from typing import ClassVar, Final, NamedTuple

from msgspec.structs import replace

from relayclient import contacts, prekeys, relaykeys
from relayclient.errors import RelayUntrusted
from relayclient.store.database import Step
from relayproto import identity
from relayproto.commands import Enrol, Register
from relayproto.identity import FIRST_PREVIOUS, DeviceEntry, DeviceList
from relayproto.ids import AccountId, Address, DeviceId, KeyId
from relayproto.invitation import Invitation
from relayproto.primitives import Entropy, ed25519_public, equal, x25519_public
from relayproto.replies import Enrolled
from relayproto.value import Value

FIRST_DEVICE: Final = DeviceId(1)
NO_KEY_ID: Final = KeyId(0)


class Endpoint(Value, frozen=True):
    """Where the relay is and which key it must show."""

    host: str
    port: int
    key_id: KeyId
    key: bytes


class Shown(NamedTuple):
    """What somebody shows who was not invited: a contact, the code that was sent to it, and the address he asks for."""

    contact: str
    code: str
    address: Address

    def __repr__(self) -> str:
        """Say nothing of the code."""
        return f"Shown({self.address})"


def asking(place: Endpoint, entropy: Entropy) -> Endpoint:
    """Return the endpoint under key id 0 and a key that nobody holds: the relay answers with its descriptor."""
    return replace(place, key_id=NO_KEY_ID, key=entropy(32))


class Summary(Value, frozen=True):
    """How this device stands: texts waiting to go, accepted and not yet delivered, unread; and accounts known."""

    waiting: int
    under_way: int
    unread: int
    contacts: int


class Identity(Value, frozen=True):
    """Who this device is; ``static_key`` is its private X25519 key for the handshake with the relay."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"static_key"})
    account: AccountId
    device: DeviceId
    address: Address
    static_key: bytes


def prepare(step: Step, invitation: Invitation, now_ms: int) -> None:
    """Make the keys of a new account and its first device."""
    identity_seed, sign_seed, dh_private = (step.entropy(32) for _ in range(3))
    identity_key = ed25519_public(identity_seed)
    account = identity.account_id(identity_key)
    entry = DeviceEntry(FIRST_DEVICE, ed25519_public(sign_seed), x25519_public(dh_private), now_ms)
    listed = identity.encode(DeviceList(account, identity_key, 1, FIRST_PREVIOUS, now_ms, FIRST_DEVICE, (entry,)))
    for name, secret in (
        ("identity_seed", identity_seed),
        ("sign_seed", sign_seed),
        ("dh_private", dh_private),
        ("ticket", invitation.ticket),
    ):
        step.put_secret(name, secret)
    for name, value in (
        ("account", account),
        ("device", FIRST_DEVICE),
        ("address", invitation.address),
        ("host", invitation.host),
        ("port", invitation.port),
        ("key_id", invitation.key_id),
        ("relay_key", invitation.relay_key),
        ("root", invitation.root_fingerprint),
        ("joined", 0),
    ):
        step.put(name, value)
    contacts.learn(step, account, listed, identity.sign_list(identity_seed, listed), now_ms)
    prekeys.renew(step, now_ms)


def same_ticket(step: Step, invitation: Invitation) -> bool:
    """Say whether the keys in the store were made for this invitation."""
    return step.setting("ticket") is not None and equal(step.secret("ticket"), invitation.ticket)


def come_again(step: Step, invitation: Invitation, now_ms: int) -> bool:
    """Make a joined device ready to enrol its account again, and say whether the invitation is one to do so.

    It has to be for the account's own address at the same relay, by its root. The relay makes such a ticket only where
    nobody has the address: a restore has lost the account. Keys, contacts and texts stay as they are.
    """
    if same_ticket(step, invitation) and not step.setting("coming_again"):
        return False  # It is the one that this home has joined by.
    same_root = equal(invitation.root_fingerprint, step.setting("root"))
    if not same_root or invitation.address.strip().lower() != step.setting("address"):
        return False
    step.put_secret("ticket", invitation.ticket)
    step.put("coming_again", 1)
    step.put("host", invitation.host)
    step.put("port", invitation.port)
    prekeys.renew(step, now_ms)
    return True


def joined(step: Step) -> bool:
    """Say whether the relay has made the account."""
    return bool(step.setting("joined"))


def command(step: Step, shown: Shown | None = None) -> Enrol | Register:
    """Return ENROL, or REGISTER where a code is shown, the same each time."""
    listed, signature = step.rows(
        "SELECT listed, signature FROM contact WHERE account = ?", step.setting("account")
    )[0]  # fmt: skip
    if shown is not None:
        return Register(*shown, listed, signature, prekeys.current(step))
    return Enrol(step.secret("ticket"), listed, signature, prekeys.current(step))


def complete(step: Step, reply: Enrolled) -> None:
    """Take in ENROLLED. Raises RelayUntrusted where it is for another account or its descriptor isn't the root's."""
    account = step.setting("account")
    if reply.account != account:
        raise RelayUntrusted
    step.put("relay_id", relaykeys.keep(step, reply.descriptor).relay_id)
    prekeys.enrolled(step)
    step.put("address", reply.address)
    contacts.pin(step, Address(reply.address), account)
    step.put("coming_again", 0)
    step.put("joined", 1)


def who(step: Step) -> Identity:
    """Return who this device is."""
    return Identity(
        AccountId(step.setting("account")),
        DeviceId(step.setting("device")),
        Address(step.setting("address")),
        step.secret("dh_private"),
    )


def endpoint(step: Step) -> Endpoint:
    """Return where to connect and the newest relay key known, whatever its date."""
    return Endpoint(
        step.setting("host"), step.setting("port"), KeyId(step.setting("key_id")), step.setting("relay_key")
    )  # fmt: skip
