"""The store room: what waits for a commit.

The rule of this file: a work is a value and a way to answer; it is answered once, on the event loop, after the commit
that settled it was synced.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from relayd.domain.seat import Seat
from relayproto.commands import Ack, Submit
from relayproto.errors import RemoteProtocolError
from relayproto.replies import NotTaken, Submitted

if TYPE_CHECKING:
    from relayd.store.commit import Commit

OVERHEAD_BYTES: Final = 512
"""What a work takes beside its bytes, about."""

Settlement = Submitted | NotTaken | RemoteProtocolError | None
"""What a submission comes to: a recorded outcome, a number that is still free, an end of the connection, or
nothing to say because a newer connection of the device has come."""
Settle = Callable[[Settlement], None]


class Submission:
    """A SUBMIT; ``body`` is its own or what its handle named, and empty where there is none."""

    __slots__ = ("body", "command", "placements", "seat", "settle", "weight")

    def __init__(self, seat: Seat, command: Submit, body: bytes, settle: Settle) -> None:
        self.seat = seat
        self.command = command
        self.body = body
        self.settle = settle
        wraps = [len(wrap.sealed) for target in command.targets for wrap in target.wraps]
        self.placements = max(1, len(wraps))
        """Rows that it puts in, if it is stored; its number is written in any case."""
        self.weight = OVERHEAD_BYTES + len(body) + sum(wraps)
        """About how many bytes of memory it holds; a body that is shared counts each time."""


@dataclass(slots=True)
class Acknowledgement:
    """An ACK that the pump has checked against what was delivered."""

    seat: Seat
    ack: Ack


@dataclass(slots=True)
class Verb:
    """Anything else: one function of the commit, whose result the future gets.

    Its checks stand before its first change; what it raises undoes it and nothing else of the commit.
    """

    act: Callable[["Commit"], Any]
    future: asyncio.Future[Any]


@dataclass(slots=True)
class Works:
    """What one commit takes, in the order of arrival within each kind."""

    submissions: list[Submission]
    acknowledgements: list[Acknowledgement]
    verbs: list[Verb]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.submissions) + len(self.acknowledgements) + len(self.verbs)
