"""A state directory that was in use, and backups of it, without a relay's process."""

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from relayd import keyring
from relayd.backups import bringing_back, making, recipient
from relayd.backups.bringing_back import Restored
from relayd.backups.making import Made
from relayd.backups.recipient import Opener
from relayd.backups.shelf import Shelf
from relayd.config import Config, RelaySection
from support.clocks import HandClock
from support.relay_keys import NOW_MS, made_keys
from support.stores import NO_LIMIT, Guest, House, submit_of

TOGETHER = 100
"""Messages under way at a time."""


def nobody(_what: str, _done: int, _total: int) -> None:
    """Tell nobody how far it is."""


@dataclass
class Keep:
    """A relay's state in ``place``/state, its backups in ``place``/shelf, and the key that opens them."""

    place: Path
    clock: HandClock = field(default_factory=lambda: HandClock(now_ms=NOW_MS))
    told: object = nobody

    def __post_init__(self) -> None:
        self.state, self.path = self.place / "state", self.place / "shelf"
        made_keys(self.state)
        recipient.make(self.place / "key", os.urandom)
        self.recipient = recipient.read_recipient(self.place / "key.pub")
        self.guests: dict[str, Guest] = {}

    @property
    def opener(self) -> Opener:
        return recipient.read_opener(self.place / "key")

    def config(self, **store: object) -> Config:
        settings = msgspec.structs.replace(NO_LIMIT, **store)
        return Config(relay=RelaySection(state=str(self.state)), store=settings)

    def house(self, state: Path | None = None) -> House:
        """Return the store, still to be opened, with the relay's own master key."""
        master_key = (self.state / "keys" / "master.key").read_bytes()
        return House(state or self.state, clock=self.clock, master_key=master_key)

    def send(self, count: int, *, ttl_s: int = 86_400, body: bytes = b"body") -> None:
        """Let alice send bob so many messages."""
        asyncio.run(self._send(count, ttl_s, body))

    async def _send(self, count: int, ttl_s: int, body: bytes) -> None:
        opened = await self.house().open()
        for name in ("alice", "bob"):
            if name not in self.guests:
                self.guests[name] = await opened.enrol(name)
            await opened.login(self.guests[name])
        alice, bob = self.guests["alice"], self.guests["bob"]
        for first in range(0, count, TOGETHER):
            works = [
                each
                for _ in range(min(TOGETHER, count - first))
                for each in (submit_of(alice, bob, ttl_s=ttl_s, body=body), alice, 1)
            ]
            await opened.submit_all(*works)
        await opened.store.close()

    def job(self, *, keep: int = 3, **store: object) -> making.Job:
        now_ms = self.clock.now_ms
        keys = keyring.load(self.state, NOW_MS, {})
        return making.Job(self.config(**store), keys, self.recipient, keep, now_ms, self.told)

    def back_up(self, *, keep: int = 3) -> Made:
        return making.make(self.job(keep=keep), self.path)

    def restore(self, state: Path, *, name: str | None = None, opener: Opener | None = None) -> Restored:
        used = opener or self.opener
        with Shelf.to_read(self.path) as shelf:
            backup = bringing_back.pick(shelf, used, name)
            return bringing_back.bring_back(shelf, used, backup, state, os.urandom, nobody)

    def check(self, *, opened: bool = True) -> list[bringing_back.Looked]:
        with Shelf.to_read(self.path) as shelf:
            return bringing_back.check(shelf, self.opener if opened else None, nobody)
