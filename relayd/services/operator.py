"""The services' room: what the local operator asks: INVITE, GET_STATUS, CONFIRM_CLOCK, BREAK_GLASS.

Commands enter; replies leave, or a Refusal. The rule of this file: the operator makes invitations and reads figures;
no command of theirs opens or moves an envelope.
"""

from collections.abc import Callable

from relayd.clock import Clock
from relayd.domain import addresses
from relayd.logs import get_logger
from relayd.metrics import Counters
from relayd.services import administration
from relayd.store import Store
from relayproto import __version__
from relayproto.administration import BreakGlass
from relayproto.administration_replies import Acted
from relayproto.commands import Invite
from relayproto.replies import Done, Invited, Status

_log = get_logger("operator")


class Operator:
    """The operator's verbs.

    ``endpoint`` is HOST:PORT as invitations name it; ``descriptor`` is the relay's; ``confirm`` makes relay time go
    over to the wall clock's.
    """

    __slots__ = ("_clock", "_confirm", "_counters", "_descriptor", "_endpoint", "_store")

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        confirm: Callable[[], None],
        counters: Counters,
        endpoint: str,
        descriptor: bytes,
    ) -> None:
        self._confirm = confirm
        self._store = store
        self._clock = clock
        self._counters = counters
        self._endpoint = endpoint
        self._descriptor = descriptor

    async def invite(self, command: Invite) -> Invited:
        """Make a ticket that binds the address, good once. Raises Refusal: BAD_ADDRESS, ADDRESS_TAKEN."""
        spelt = addresses.parse(command.address)
        expires_ms = self._clock.now_ms() + command.ttl_s * 1000
        ticket = await self._store.create_ticket(spelt, expires_ms)
        return Invited(spelt, ticket, expires_ms, self._endpoint, self._descriptor)

    async def confirm_clock(self) -> Done:
        """Believe the wall clock, although it ran ahead; what is over by it expires from now on."""
        before_ms = self._clock.now_ms()
        self._confirm()
        await self._store.probe()
        _log.warning("the clock was confirmed", ahead_ms=self._clock.now_ms() - before_ms)
        return Done()

    async def break_glass(self, command: BreakGlass) -> Acted:
        """Make an account a platform operator for a while. Raises Refusal: BAD_ADDRESS, NOT_AVAILABLE."""
        return await administration.break_glass(self._store, self._counters, command)

    async def status(self) -> Status:
        """Return names and numbers: the process's first, then the store's."""
        counters = self._counters
        live = [
            ("connections open", counters.connections_open),
            ("connections accepted", counters.connections_accepted),
            ("envelopes delivered", counters.delivered),
            ("envelopes acknowledged", counters.acknowledged),
            ("internal errors", counters.internal_errors),
            ("seconds the clock is ahead", counters.clock_ahead_ms // 1000),
        ]
        return Status(__version__, tuple(live + await self._store.status()))
