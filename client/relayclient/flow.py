"""What one connection has delivered, and what the relay has been told of it: credit and acknowledgements.

Deliveries enter; ACKs leave. Nothing here survives the connection. The rule of this file: no ACK goes above what this
connection has delivered (the relay ends a connection that does), and credit grows only with what was dealt with, so
that what is held in memory is bounded by the window (spec 50 §3).
"""

from collections.abc import Sequence

from relayclient import position
from relayclient.position import Place
from relayclient.store.database import Step
from relayproto.codes import Lane
from relayproto.commands import Ack, Credit
from relayproto.limits import ACK_RANGES_MAX, UNDECRYPTABLE_MAX


class Flow:
    """The deliveries of one connection."""

    def __init__(self, window: Credit, floors: Sequence[int]) -> None:
        """Take how much may be under way, and the floors that HELLO says."""
        self._window = window
        self._messages = 0
        self._octets = 0
        self._tops = dict(zip(Lane, floors, strict=True))
        self._said = {lane: Place(floor, ()) for lane, floor in self._tops.items()}
        self._said_credit = self.credit()

    def credit(self) -> Credit:
        """Return the cumulative credit since HELLO: what was dealt with and the window."""
        return Credit(self._messages + self._window.messages, self._octets + self._window.octets)

    def delivered(self, lane: Lane, last: int) -> int | None:
        """Note that the relay went on to a sequence; return the first number that it left out without a word."""
        top = self._tops[lane]
        self._tops[lane] = max(top, last)
        return top + 1 if last > top + 1 else None

    def explained(self, lane: Lane, last: int) -> None:
        """Note that a GAP explained the numbers up to ``last``, or that the relay's floor is there."""
        self._tops[lane] = max(self._tops[lane], last)

    def dealt_with(self, octets: int) -> None:
        """Note that an envelope or outcome of so many bytes of credit was committed or dropped."""
        self._messages += 1
        self._octets += octets

    def overrun_by(self, waiting: int) -> bool:
        """Say whether so many that wait are more than the relay can have had credit for (spec 50 §3).

        One envelope is let through above it, and DRAINED may wait among them.
        """
        return waiting > self._window.messages + 1

    def restart(self, floors: Sequence[int]) -> None:
        """Go over to another epoch of the mailbox."""
        self._tops = dict(zip(Lane, floors, strict=True))
        self._said = {lane: Place(floor, ()) for lane, floor in self._tops.items()}

    def acks(self, step: Step) -> list[Ack]:
        """Return what the relay has not been told yet; where it is credit alone, the normal lane carries it."""
        acks = []
        for lane in Lane:
            while (ack := self._ack(step, lane)) is not None:
                acks.append(ack)
        if not acks and self.credit() != self._said_credit:
            said = self._said[Lane.NORMAL]
            acks.append(Ack(position.epoch(step), Lane.NORMAL, said.floor, said.ranges, self.credit(), ()))
        if acks:
            self._said_credit = self.credit()
        return acks

    def _ack(self, step: Step, lane: Lane) -> Ack | None:
        top = self._tops[lane]
        held = [sequence for sequence in position.unopened(step, lane) if sequence <= top]
        report = tuple(held[:UNDECRYPTABLE_MAX])
        if len(held) > len(report):
            top = held[len(report)] - 1
        place = _cut(position.read(step, lane), top)
        if place == self._said[lane] and not report:
            return None
        position.reported(step, lane, report)
        self._said[lane] = place
        return Ack(position.epoch(step), lane, place.floor, place.ranges, self.credit(), report)


def _cut(place: Place, top: int) -> Place:
    """Return the place without anything above ``top``, and without more ranges than an ACK holds."""
    ranges = tuple((first, min(last, top)) for first, last in place.ranges if first <= top)
    return Place(min(place.floor, top), ranges[:ACK_RANGES_MAX])
