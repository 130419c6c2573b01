"""The services' room: EPHEMERAL, which is worth something only now (spec 50 §9).

One command enters; what each listening device gets leaves through the hub. The rules of this file: nothing of it is
ever on disk, and nobody hears what became of it.
"""

import contextlib

from relayd.delivery.hub import Hub
from relayd.domain.refusals import Fault, Refusal
from relayd.domain.seat import Seat
from relayd.store import Store
from relayproto.commands import Ephemeral
from relayproto.notices import Passing


class PassingBy:
    """Passing on what is not kept."""

    __slots__ = ("_hub", "_store")

    def __init__(self, store: Store, hub: Hub) -> None:
        self._store = store
        self._hub = hub

    async def pass_on(self, seat: Seat, command: Ephemeral) -> None:
        """Pass each wrap on to its device, if that listens and has room; silence in every other case."""
        target = command.target
        with contextlib.suppress(Refusal, Fault):
            mailboxes = await self._store.mailboxes_of(target.account, seat.account, command.pass_)
            for wrap in target.wraps:
                mailbox = mailboxes.get(wrap.device, seat.row)
                if mailbox != seat.row:
                    self._hub.pass_by(mailbox, Passing(seat.account, seat.device, wrap.sealed))
