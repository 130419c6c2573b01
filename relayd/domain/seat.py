"""The domain room: who is speaking.

A login gives a seat; every work of a connection carries it. The rule of this file: a seat says which connection of
a device it belongs to, so that the work of a superseded one can be told apart at commit (protocol.md §2).
"""

from dataclasses import dataclass, field

from relayproto.ids import AccountId, DeviceId


@dataclass(frozen=True, slots=True)
class Seat:
    """A device at one of its connections.

    ``row`` is the number of the device's mailbox, never reused; ``generation`` rises with every login. ``since_ms``
    is the relay time of the login.
    """

    row: int
    generation: int
    account: AccountId
    device: DeviceId
    since_ms: int = field(default=0, compare=False)
