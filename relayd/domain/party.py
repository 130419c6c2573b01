"""The domain room: the devices of an account, as a submission is checked against them (protocol.md §3).

A target enters; nothing or how it differs leaves. The rule of this file: all devices of an account or none, and the
sending device is no target of its own.
"""

from dataclasses import dataclass

from relayd.domain.permits import NOWHERE, Side
from relayproto.commands import Target
from relayproto.ids import AccountId, DeviceId
from relayproto.replies import Mismatch


@dataclass(frozen=True, slots=True)
class Party:
    """An account's devices and their mailboxes; ``row`` is the account's number in the store.

    ``highest_device`` tells a removed device (stale) from one that never was (extra); ``blocks`` says whether the
    account has blocked anybody, so that for all others nobody has to look; ``side`` is what it may do to others and
    others to it.
    """

    row: int
    account: AccountId
    list_version: int
    highest_device: int
    mailboxes: dict[DeviceId, int]
    blocks: bool = False
    side: Side = NOWHERE

    def without(self, mailbox: int) -> dict[DeviceId, int]:
        """Return device -> mailbox for all but the one that is sending."""
        return {device: row for device, row in self.mailboxes.items() if row != mailbox}

    def mismatch(self, position: int, target: Target, sender: int) -> Mismatch | None:
        """Return how the devices of a target differ from the list, or None where they are the same.

        A list version that is not ours does no harm as long as the devices agree: a device's keys never change, so
        the same numbers are the same keys. A device that is addressed twice is extra.
        """
        wraps = target.wraps
        if len(wraps) == 1 == len(self.mailboxes) and self.mailboxes.get(wraps[0].device, sender) != sender:
            return None
        expected = self.without(sender)
        addressed = [wrap.device for wrap in target.wraps]
        if len(addressed) == len(expected) and expected.keys() == set(addressed):
            return None
        seen = set(addressed)
        twice = {device for device in seen if addressed.count(device) > 1}
        wrong = sorted((seen - expected.keys()) | twice)
        return Mismatch(
            position,
            self.list_version,
            missing=tuple(sorted(expected.keys() - seen)),
            extra=tuple(device for device in wrong if device > self.highest_device or device in self.mailboxes),
            stale=tuple(d for d in wrong if d <= self.highest_device and d not in self.mailboxes),
        )
