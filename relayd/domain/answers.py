"""The domain room: what the store's verbs come to, where a reply alone does not say it.

The store makes these, the services read them. The rule of this file: values only.
"""

from dataclasses import dataclass

from relayd.domain.seat import Seat
from relayproto.ids import AccountId, Address
from relayproto.message import Message
from relayproto.notices import PrekeysLow
from relayproto.replies import Bundles, Devices, Welcome


@dataclass(frozen=True, slots=True)
class Login:
    """A device has connected.

    ``cursors`` are the numbers of the three lanes after which delivery begins: the device's own floors where it
    knows the mailbox's epoch, else 0. ``notices`` are said first: lanes where they are below the relay's, and what
    was refused in the meantime. ``alone`` names, by lane, an envelope that has nothing after it until it is
    acknowledged, 0 for none.
    """

    seat: Seat
    welcome: Welcome
    notices: tuple[Message, ...]
    cursors: tuple[int, ...]
    alone: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A ticket has become an account with this address."""

    account: AccountId
    address: Address


@dataclass(frozen=True, slots=True)
class BundlesTaken:
    """The bundles that were asked for, and whom to tell that few prekeys are left: (mailbox, notice)."""

    reply: Bundles
    low: tuple[tuple[int, PrekeysLow], ...]


@dataclass(frozen=True, slots=True)
class DevicesChanged:
    """A device list was replaced; ``removed`` are the mailboxes that no longer are."""

    reply: Devices
    removed: tuple[int, ...]
