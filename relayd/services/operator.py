"""The services' room: what the local operator asks (spec 40 §5).

Commands and the operating system's user who gave them enter; replies leave, or a Refusal. The rules of this file: no
command opens or moves an envelope; what changes something, and each look at a person, is in the audit log.
"""

from collections.abc import Callable
from typing import assert_never

from relayd.clock import Clock
from relayd.domain import addresses
from relayd.logs import get_logger
from relayd.metrics import Counters
from relayd.services import administration
from relayd.services.intervening import Intervening
from relayd.store import By, Store
from relayproto import __version__
from relayproto.administration import BreakGlass
from relayproto.administration_replies import Acted
from relayproto.codes import Kind
from relayproto.commands import ConfirmClock, GetStatus, Invite, OperatorCommand
from relayproto.message import Message
from relayproto.operating import (
    Drain,
    GetConnections,
    GetMailbox,
    Kick,
    MoveLog,
    Purge,
    SelfCheck,
    SetLogLevel,
    Suspend,
)
from relayproto.replies import Done, Invited, Status

_log = get_logger("operator")


class Operator:
    """The operator's verbs.

    ``endpoint`` is HOST:PORT as invitations name it; ``descriptor`` is the relay's; ``confirm`` makes relay time go
    over to the wall clock's; ``codes_failing`` says how many codes could not
    be handed over since one was, where people may register.
    """

    __slots__ = (
        "_clock",
        "_codes_failing",
        "_confirm",
        "_counters",
        "_descriptor",
        "_endpoint",
        "_intervening",
        "_store",
    )

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        confirm: Callable[[], None],
        counters: Counters,
        endpoint: str,
        descriptor: bytes,
        intervening: Intervening,
        codes_failing: Callable[[], int] | None = None,
    ) -> None:
        self._codes_failing = codes_failing
        self._confirm = confirm
        self._store = store
        self._clock = clock
        self._counters = counters
        self._endpoint = endpoint
        self._descriptor = descriptor
        self._intervening = intervening

    async def answer(self, command: OperatorCommand, uid: int) -> Message:
        """Do what a command of this user says. Raises Refusal, Fault."""
        by = By(uid, getattr(command, "reason", ""))
        match command:
            case Invite():
                return await self._invite(command, by)
            case GetStatus():
                return await self._status()
            case ConfirmClock():
                return await self._confirm_clock(by)
            case BreakGlass():
                return await self._break_glass(command, by)
            case (
                GetConnections() | GetMailbox() | Kick() | Suspend() | Purge() | Drain() | MoveLog() | SetLogLevel()
                | SelfCheck()
            ):  # fmt: skip
                return await self._intervening.answer(command, by)
            case _ as never:
                assert_never(never)

    async def _invite(self, command: Invite, by: By) -> Invited:
        """Make a ticket that binds the address, good once. Raises Refusal: BAD_ADDRESS, ADDRESS_TAKEN."""
        spelt = addresses.parse(command.address)
        expires_ms = self._clock.now_ms() + command.ttl_s * 1000
        ticket = await self._store.invite(spelt, expires_ms, by)
        return Invited(spelt, ticket, expires_ms, self._endpoint, self._descriptor)

    async def _confirm_clock(self, by: By) -> Done:
        """Believe the wall clock, although it ran ahead; what is over by it expires from now on."""
        await self._store.note(Kind.CONFIRM_CLOCK, by)
        before_ms = self._clock.now_ms()
        self._confirm()
        await self._store.probe()
        _log.warning("the clock was confirmed", ahead_ms=self._clock.now_ms() - before_ms)
        return Done()

    async def _break_glass(self, command: BreakGlass, by: By) -> Acted:
        """Make an account a platform operator for a while. Raises Refusal: BAD_ADDRESS, NOT_AVAILABLE."""
        return await administration.break_glass(self._store, self._counters, command, by)

    async def _status(self) -> Status:
        """Return names and numbers: the process's first, then the store's."""
        counters = self._counters
        live = [
            ("connections open", counters.connections_open),
            ("connections accepted", counters.connections_accepted),
            ("envelopes delivered", counters.delivered),
            ("envelopes acknowledged", counters.acknowledged),
            ("internal errors", counters.internal_errors),
            ("seconds the clock is ahead", counters.clock_ahead_ms // 1000),
            ("draining", int(self._intervening.draining)),
        ]
        if self._codes_failing is not None:
            live += [
                ("codes handed over to be sent", counters.codes["sent"]),
                ("codes not handed over", counters.codes["failed"]),
                ("of these since one was handed over", self._codes_failing()),
                ("codes refused by a bound", counters.codes["refused"]),
            ]
        return Status(__version__, tuple(live + await self._store.status()))
