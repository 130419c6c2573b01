"""What one connection needs to remember, and nothing longer.

The rule of this file: losing it costs a repetition, never a message; a new HELLO begins with a new one.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from relayclient.flow import Flow
from relayproto.commands import DeviceCommand
from relayproto.ids import AccountId, DeviceId, UnitId
from relayproto.notices import Deliver, Drained
from relayproto.standing import PLATFORM, Standing

RETRY_MS: Final = 30_000
"""After an answer that did not help, and where the relay names no time: often enough for people, rare enough for it."""


class Lacking(Exception):  # noqa: N818 - not an error: something must be asked first
    """An envelope can't be judged before this command was answered."""

    def __init__(self, command: DeviceCommand) -> None:
        """Keep the command to ask."""
        super().__init__()
        self.command = command


class Asking:
    """Which commands are under way, and which are not to be asked again yet."""

    def __init__(self) -> None:
        """Begin with none."""
        self._under_way: dict[DeviceCommand, int] = {}
        self._not_before_ms: dict[DeviceCommand, int] = {}

    def ask(self, command: DeviceCommand, now_ms: int, came: int = 0) -> bool:
        """Say whether the command is to be sent now, and note that it is; ``came`` is how many envelopes have come."""
        if command in self._under_way or self._not_before_ms.get(command, 0) > now_ms:
            return False
        self._not_before_ms.pop(command, None)
        self._under_way[command] = came
        return True

    def under_way(self, kind: type[DeviceCommand]) -> bool:
        """Say whether any command of a kind waits for its answer."""
        return any(isinstance(command, kind) for command in self._under_way)

    def answered(self, command: DeviceCommand) -> int:
        """Note that an answer came; return how many envelopes had come when it was asked for."""
        return self._under_way.pop(command, 0)

    def pause(self, command: DeviceCommand, until_ms: int) -> None:
        """Note that the command is not to be asked again before a time."""
        self._not_before_ms[command] = until_ms

    def next_ms(self, now_ms: int) -> int | None:
        """Return when the first paused command may be asked again, None where none is paused."""
        return min((at_ms for at_ms in self._not_before_ms.values() if at_ms > now_ms), default=None)


@dataclass(slots=True)
class Link:
    """One connection's memory.

    ``held`` are envelopes (and DRAINED behind them) that wait for the answer to ``lacking``; ``came`` and
    ``dealt_with`` count envelopes of this connection; ``asked_at`` is what ``came`` was when what is answered now was
    asked, and ``fresh`` the same of each account's device list: only what was asked after an envelope came says whether
    its sender's device is one; ``own_list_stale``: the relay has
    a newer list of the own account, ``own_list_due``: it has an older one and is to be told;
    ``sent`` is the highest submission that it has carried,
    ``not_before_ms`` when it may carry more; ``left`` is what the relay holds of our one-time prekeys (X25519, KEM),
    None before it said; ``typed`` is when an account was last told that the user types, ``passed`` when what passed by
    last from a device was said; ``standing`` and ``unit`` are what the relay says that the account is, ``act`` the
    highest number of an act of the account that may have been used; ``revocations_known``: what was taken back
    before this connection was asked for.
    """

    flow: Flow
    asking: Asking = field(default_factory=Asking)
    held: deque[Deliver | Drained] = field(default_factory=deque)
    lacking: DeviceCommand | None = None
    came: int = 0
    dealt_with: int = 0
    asked_at: int = 0
    fresh: dict[AccountId, int] = field(default_factory=dict)
    keys_fetched: bool = False
    own_list_stale: bool = False
    own_list_due: bool = False
    open: bool = False
    sent: int = 0
    not_before_ms: int = 0
    left: tuple[int, int] | None = None
    typed: dict[AccountId, int] = field(default_factory=dict)
    passed: dict[tuple[AccountId, DeviceId], int] = field(default_factory=dict)
    standing: Standing = Standing.PUBLIC
    unit: UnitId = PLATFORM
    act: int = 0
    revocations_known: bool = False
