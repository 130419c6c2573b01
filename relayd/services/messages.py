"""The services' room: SUBMIT, from its body to the store's intake (protocol.md §3).

A submission enters; its answer leaves through ``settle``, after the commit. Nothing here waits. The rule of this file:
what is over a rate is not taken - its number stays free and the device's outbox waits without loss.
"""

from typing import Final

from relayd.domain.seat import Seat
from relayd.services.pairs import Pairs
from relayd.services.rates import Rates
from relayd.store import Settle, Store
from relayproto.codes import Code
from relayproto.commands import Submit
from relayproto.ids import AccountId
from relayproto.limits import BODY_HANDLES_MAX
from relayproto.replies import NotTaken

BUSY_RETRY_MS: Final = 1_000


class Bodies:
    """The bodies that one connection has parked (spec 50 §2); a seventeenth takes the place of the oldest."""

    __slots__ = ("_parked",)

    def __init__(self) -> None:
        self._parked: dict[int, bytes] = {}

    def park(self, handle: int, octets: bytes) -> None:
        """Keep a body under its handle, in place of what had the handle before."""
        self._parked.pop(handle, None)
        self._parked[handle] = octets
        if len(self._parked) > BODY_HANDLES_MAX:
            del self._parked[next(iter(self._parked))]

    def parked(self, handle: int | None) -> bytes:
        """Return what is kept under a handle, empty where there is none."""
        return b"" if handle is None else self._parked.get(handle, b"")


class Messages:
    """Taking submissions in."""

    __slots__ = ("_pairs", "_rates", "_store")

    def __init__(self, store: Store, *, rates: Rates[int | AccountId], pairs: Pairs) -> None:
        self._store = store
        self._rates = rates
        self._pairs = pairs

    def submit(
        self, seat: Seat, command: Submit, bodies: Bodies, settle: Settle, now: float, *, under_way: int
    ) -> bool:
        """Hand a submission to the store, the last of so many that are ``under_way``.

        False: the device has all the room there is for one, nothing was done, bring it again.

        Its cost is one token a target, so that fan-out is paced like as many single ones, and one of each pair.
        """
        if under_way > self._store.room:
            return False
        if wait_ms := self._wait_ms(seat, [target.account for target in command.targets], now):
            settle(NotTaken(command.submission, Code.RATE, wait_ms))
        else:
            body = bodies.parked(command.handle) if command.body is None else command.body
            self._store.submit(seat, command, body, settle)
        return True

    def _wait_ms(self, seat: Seat, accounts: list[AccountId], now: float) -> int:
        """Take what a submission costs and return 0, or take nothing and return how long to wait.

        The account's bucket bounds all of its devices together. The device's own bucket, from which its other commands
        are taken, keeps a stolen device from using up what the owner needs to remove it. The sender's own account is no
        pair: what goes to its other devices goes along with all that a person writes.
        """
        rates, sender, cost = self._rates, seat.account, len(accounts)
        if wait_ms := rates.take(seat.row, now, cost):
            return wait_ms
        others = accounts if sender not in accounts else [one for one in accounts if one != sender]
        if wait_ms := rates.take(sender, now, cost):
            rates.give_back(seat.row, cost)
        elif others and (wait_ms := self._pairs.take(sender, others, now)):
            rates.give_back(seat.row, cost)
            rates.give_back(sender, cost)
        return wait_ms

    def busy(self, command: Submit, settle: Settle) -> None:
        """Answer a submission for which the intake had no room for too long."""
        settle(NotTaken(command.submission, Code.BUSY, BUSY_RETRY_MS))
