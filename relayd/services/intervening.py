"""The services' room: what the local operator does at night - to connections, mailboxes and the process (spec 40 §5).

Commands and who gave them enter; replies leave, or a Refusal. The rule of this file: the audit record is on disk before
anything is done that is not in its commit, so that what can't be recorded is not done.
"""

from collections.abc import Callable
from typing import Protocol, assert_never

from relayd.delivery.hub import Hub
from relayd.domain.refusals import Refusal
from relayd.logs import get_logger
from relayd.metrics import Counters
from relayd.store import By, Store
from relayproto.administration_replies import Acted
from relayproto.codes import Code, Kind
from relayproto.limits import FINDINGS_MAX
from relayproto.message import Message
from relayproto.operating import (
    LOG_LEVELS,
    Checked,
    Connections,
    Drain,
    Found,
    GetConnections,
    GetMailbox,
    Kick,
    LocalCommand,
    MoveLog,
    Purge,
    SelfCheck,
    SetLogLevel,
    Suspend,
)

PURGED_AFTER_MS = 1_000
"""A device whose mailbox was purged may come back at once, to begin with its new epoch."""
_FIRST_CHARS_MAX = 200

_log = get_logger("operator")


class Doors(Protocol):
    """The device port."""

    @property
    def draining(self) -> bool:
        """Whether nobody is let in."""

    def __len__(self) -> int:
        """Return how many connections there are."""

    def pause(self) -> None:
        """Let nobody in and send everybody away."""

    def resume(self) -> None:
        """Let people in again."""


class Intervening:
    """The commands. ``half_open`` tells how many connections are; ``set_level`` sets the level of the log."""

    __slots__ = ("_counters", "_doors", "_half_open", "_hub", "_set_level", "_store")

    def __init__(
        self,
        store: Store,
        hub: Hub,
        doors: Doors,
        counters: Counters,
        *,
        half_open: Callable[[], int],
        set_level: Callable[[str], None],
    ) -> None:
        self._store = store
        self._hub = hub
        self._doors = doors
        self._counters = counters
        self._half_open = half_open
        self._set_level = set_level

    @property
    def draining(self) -> bool:
        """Whether nobody is let in."""
        return self._doors.draining

    async def answer(self, command: LocalCommand, by: By) -> Message:
        """Do what a command says. Raises Refusal: BAD_ADDRESS, NOT_AVAILABLE, CONFLICT; Fault."""
        match command:
            case GetMailbox():
                return await self._store.look(command.whom, by)
            case Suspend():
                return await self._store.suspend(command.whom, by, suspended=command.suspended)
            case Kick() | Purge():
                return await self._dismiss(command, by)
            case GetConnections() | Drain() | MoveLog() | SetLogLevel() | SelfCheck():
                return await self._tend(command, by)
            case _ as never:
                assert_never(never)

    async def _tend(self, command: GetConnections | Drain | MoveLog | SetLogLevel | SelfCheck, by: By) -> Message:
        """Do what concerns the relay itself."""
        match command:
            case GetConnections():
                return await self._connections(command, by)
            case Drain():
                return await self._drain(by, draining=command.draining)
            case MoveLog():
                noted = await self._store.note(Kind.MOVE_LOG, by)
                return _with(noted, await self._store.move_log())
            case SetLogLevel():
                noted = await self._store.note(Kind.SET_LOG_LEVEL, by, detail=command.level)
                self._set_level(LOG_LEVELS[command.level])
                _log.warning("the level of the log was set", to=LOG_LEVELS[command.level])
                return noted
            case SelfCheck():
                return await self._check()
            case _ as never:
                assert_never(never)

    async def _connections(self, command: GetConnections, by: By) -> Connections:
        if command.rows:
            await self._store.note(Kind.GET_CONNECTIONS, by)
        lines, more = self._hub.lines(command.after, command.rows)
        self._store.count_intake()
        return Connections(
            len(self._doors), self._half_open(), len(self._hub), self._counters.intake_works, self._doors.draining,
            lines, more,
        )  # fmt: skip

    async def _dismiss(self, command: Kick | Purge, by: By) -> Acted:
        if isinstance(command, Kick):
            who, acted = await self._store.dismiss(command.whom, command.device, by)
            count = self._hub.dismiss(who.mailboxes.values(), command.after_ms)
            return _with(acted, count)
        who, acted = await self._store.purge(command.whom, command.device, by)
        self._hub.dismiss(who.mailboxes.values(), PURGED_AFTER_MS)
        return acted

    async def _drain(self, by: By, *, draining: bool) -> Acted:
        if self._doors.draining == draining:
            raise Refusal(Code.CONFLICT)
        noted = await self._store.note(Kind.DRAIN, by, detail=int(draining))
        if self._doors.draining != draining:  # another operator may have been quicker
            if draining:
                self._doors.pause()
                _log.warning("devices are sent away", connections=len(self._doors))
            else:
                self._doors.resume()
                _log.warning("devices are let in again")
        return _with(noted, len(self._doors))

    async def _check(self) -> Checked:
        found, unfinished = await self._store.self_check()
        broken = [finding for finding in found if finding.wrong]
        for finding in broken:
            _log.error("an invariant is broken", rule=finding.rule, wrong=finding.wrong, first=finding.first)
        said = [Found(each.rule, each.looked_at, each.wrong, each.first[:_FIRST_CHARS_MAX]) for each in found]
        return Checked(tuple(said[:FINDINGS_MAX]), tuple(unfinished[:FINDINGS_MAX]))


def _with(noted: Acted, value: int) -> Acted:
    return Acted(noted.state, noted.record, value, noted.ticket)
