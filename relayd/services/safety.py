"""The services' room: BLOCK, PUT_POLICY, PUT_PROFILE and REPORT, by which people defend themselves.

Commands enter; DONE leaves after the commit, or a Refusal (spec 50 §5, 65 §6, 70 §6, 88 §3). The rules of this file:
who is shut out is never told; and a report is taken only where there are moderators who can open it.
"""

from relayd.domain import names
from relayd.domain.refusals import Refusal
from relayd.domain.seat import Seat
from relayd.services.rates import Rates
from relayd.store import Store
from relayproto import policy, visibility
from relayproto.codes import Code
from relayproto.commands import Block, PutPolicy, PutProfile, Report
from relayproto.errors import Malformed
from relayproto.ids import AccountId
from relayproto.replies import Done


class Safety:
    """Blocking and reporting. ``moderated`` says whether the relay's descriptor names moderators."""

    __slots__ = ("_moderated", "_rates", "_store")

    def __init__(self, store: Store, *, reports: Rates[AccountId], moderated: bool) -> None:
        self._store = store
        self._rates = reports
        self._moderated = moderated

    async def block(self, seat: Seat, command: Block) -> Done:
        """Refuse an account from now on, or no longer. Raises Refusal(LIMIT)."""
        await self._store.block(seat, command.account, blocked=command.blocked)
        return Done()

    async def tighten(self, seat: Seat, command: PutPolicy) -> Done:
        """Keep what others may not do to the account. Raises Refusal(UNSUPPORTED) for what is no row of permissions."""
        try:
            row = policy.checked(command.row, policy.ROW_BYTES)
        except Malformed:
            raise Refusal(Code.UNSUPPORTED) from None
        await self._store.put_policy(seat, row, command.said_ms)
        return Done()

    async def present(self, seat: Seat, command: PutProfile) -> Done:
        """Keep what the account says of itself and hides. Raises Refusal(UNSUPPORTED) for what is no line or table."""
        about = names.named(command.about) if command.about else ""
        try:
            hidden = visibility.checked(command.hidden)
        except Malformed:
            raise Refusal(Code.UNSUPPORTED) from None
        if about is None:
            raise Refusal(Code.UNSUPPORTED)
        await self._store.put_profile(seat, about, hidden, command.said_ms)
        return Done()

    async def report(self, seat: Seat, command: Report, now: float) -> Done:
        """Keep a report. Raises Refusal: UNSUPPORTED without moderators, LIMIT above the rate, Fault(DISK)."""
        if not self._moderated:
            raise Refusal(Code.UNSUPPORTED)
        wait_ms = self._rates.take(seat.account, now)
        if wait_ms:
            raise Refusal(Code.LIMIT, wait_ms)
        await self._store.report(seat, command.sealed)
        return Done()
