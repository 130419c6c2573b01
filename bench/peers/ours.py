"""The relay among its peers: the same shape as theirs; its people are enrolled once and kept for all runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crew import Crew
from generator import Pair, Run
from login import NOTHING, Seat
from people import Person
from relay import Relay
from submission import sizes, tail

_TAILS = 4


class Ours:
    """A relay that runs only while it is measured."""

    name = "relayd"
    durability = "synced to disk, many in one sync; encrypted"
    wire = "relay"
    share = 1.0

    def __init__(self, state: Path, core: int, envelope: int) -> None:
        """Make its keys."""
        self._relay = Relay(state, core)
        self._crew = Crew(self._relay.place)
        self._envelope = envelope

    @property
    def pid(self) -> int:
        """The process that serves."""
        return self._relay.pid

    def start(self) -> None:
        """Start it, with the people of the runs before."""
        self._relay.start()

    def stop(self) -> None:
        """Stop it."""
        self._relay.stop()

    def payload(self, envelope: int) -> int:
        """Return the bytes of the body; the wrap is the rest of the envelope."""
        return sizes(envelope)[0]

    def prepare(self, people: int) -> None:
        """Enrol who is missing."""
        self._crew.enrol(2 * people)

    def turn(self) -> None:
        """Nothing: submissions are numbered on."""

    def _people(self, count: int) -> tuple[Sequence[Person], Sequence[Person]]:
        return self._crew.people[0 : 2 * count : 2], self._crew.people[1 : 2 * count : 2]

    def pairs(self, count: int, *, offline: bool = False, each: int = 0) -> list[Pair]:
        """Return pairs that are logged in."""
        senders, receivers = self._people(count)
        there: Sequence[Seat | None] = [None] * count if offline else self._crew.log_in(receivers)
        return [
            Pair(
                number, seat, receiver, seat.person.submission, each,
                tails=[tail([to], self._envelope) for _ in range(_TAILS)],
            )
            for number, (seat, receiver, to) in enumerate(
                zip(self._crew.log_in(senders), there, receivers, strict=True)
            )
        ]  # fmt: skip

    def idle(self, count: int) -> list[Seat]:
        """Return connections that are logged in and say nothing."""
        senders, _ = self._people(count)
        return self._crew.log_in(senders)

    def waiting(self, count: int, each: int) -> list[Pair]:
        """Return the recipients of a backlog, who have granted nothing yet."""
        senders, receivers = self._people(count)
        seats = self._crew.log_in(receivers, NOTHING)
        return [
            Pair(number, receiver=seat, number=sender.submission - each, each=each)
            for number, (sender, seat) in enumerate(zip(senders, seats, strict=True))
        ]

    def ended(self, run: Run, result: dict[str, Any]) -> None:
        """Bring what connections know to their people."""
        for link, (submission, *floors) in zip(run.links(), result["conns"], strict=True):
            assert isinstance(link, Seat)
            link.person.submission = max(link.person.submission, submission)
            link.person.floors = floors

    def close(self) -> None:
        """End what is left of it here."""
        self._relay.stop()
        self._crew.stop()
