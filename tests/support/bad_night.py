"""A bad night of eight relays: their directories made ready, and a watch that notes what each alert did and when."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from relayd.observe import STAMP
from relayproto import descriptor
from support import ill_relay
from support.processes import RelayProcess, command, end, run, succeed
from support.prometheus import Prometheus

SCALE = ill_relay.HURRY
SCRAPE_S = 0.5
FIRED_WITHIN_S = 100.0
DAY_MS = 86_400_000
CARRIER = "carrier.sock"


@dataclass
class Night:
    """The relays by name, and of each alert the relay and the moments: caused, cured, seen first, seen last."""

    place: Path
    relays: dict[str, RelayProcess] = field(default_factory=dict)
    at: dict[str, str] = field(default_factory=dict)
    caused: dict[str, float] = field(default_factory=dict)
    cured: dict[str, float] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> RelayProcess:
        return self.relays[name]

    def causes(self, relay: str, *alerts: str) -> None:
        """Something begins that is to make these alerts fire for that relay."""
        for alert in alerts:
            self.at[alert], self.caused[alert] = relay, time.monotonic()

    def cures(self, *alerts: str) -> None:
        """What has caused these alerts is over."""
        for alert in alerts:
            assert alert in self.first, alert
            self.cured[alert] = time.monotonic()

    def saw(self, firing: set[tuple[str, str]]) -> None:
        """Note which alerts fire at which relays now."""
        now = time.monotonic()
        for alert, relay in firing:
            if self.at.get(alert) == relay:
                self.first.setdefault(alert, now)
                self.last[alert] = now

    async def watch(self, prometheus: Prometheus) -> None:
        """Note what fires, again and again."""
        while True:
            self.saw(await asyncio.to_thread(prometheus.firing))
            await asyncio.sleep(SCRAPE_S / 2)

    async def fired(self, *alerts: str) -> None:
        """Wait until each of the alerts has fired."""
        async with asyncio.timeout(FIRED_WITHIN_S):
            while not self.first.keys() >= set(alerts):  # noqa: ASYNC110 - what is waited for is Prometheus' state
                await asyncio.sleep(SCRAPE_S / 2)

    def resolved(self, alert: str) -> bool:
        """Whether an alert has fired, its cause is over, and it has not been seen for some looks."""
        quiet_since = time.monotonic() - 3 * SCRAPE_S
        return alert in self.cured and self.last[alert] < quiet_since and self.cured[alert] < quiet_since

    def told(self) -> str:
        """Return a table: each alert, seconds from cause to firing, and from cure to the last sight of it."""
        lines = [f"{'alert':26}fired after, s  resolved after, s"]
        for alert, first in sorted(self.first.items()):
            after = f"{max(0.0, self.last[alert] - self.cured[alert]):.1f}" if alert in self.cured else "never"
            lines.append(f"{alert:26}{first - self.caused[alert]:14.1f}  {after:>17}")
        return "\n".join(lines)


def made(
    place: Path, *, launcher: tuple[str, ...] = ("-m", "relayd.main"), carrier: str = "", **settings: int
) -> RelayProcess:
    """Make a relay with other values in its configuration."""
    place.parent.mkdir(exist_ok=True)
    relay = RelayProcess(place, {'carrier = ""': f'carrier = "{carrier}"'} if carrier else {}, launcher=launcher)
    text = relay.config.read_text("utf-8")
    for name, value in settings.items():
        text, changed = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
        assert changed == 1, name
    relay.config.write_text(text, "utf-8")
    return relay


def back_up(relay: RelayProcess, ago_s: float = 0.0) -> None:
    """Leave the stamp that a backup leaves."""
    (relay.state / STAMP).write_text(json.dumps({"finished_ms": int((time.time() - ago_s) * 1000)}), "utf-8")


def let_key_end_in(relay: RelayProcess, days: float) -> None:
    """Sign the relay's key again with the offline root, until then."""
    root = (relay.state / "offline-root.key").read_bytes()
    [path] = (relay.state / "keys").glob("descriptor-*")
    read = descriptor.read(path.read_bytes(), descriptor.fingerprint((relay.state / "root.pub").read_bytes()))
    now_ms = int(time.time() * 1000)
    path.write_bytes(
        descriptor.make(
            root,
            descriptor.KeyDescriptor(
                read.relay_id, read.key_id, read.x25519, read.stamp_key, now_ms - DAY_MS, now_ms + int(days * DAY_MS),
                now_ms - DAY_MS, read.moderators,
            ),
        )
    )  # fmt: skip


def give_next_key(relay: RelayProcess) -> None:
    """Do what the runbook says about a key that ends: request, sign, install, restart."""
    home = relay.state.parent
    asked, signed, root = home / "next.request", home / "next.descriptor", relay.state / "offline-root.key"
    for step in (
        ("request", "--state", relay.state, "--to", asked),
        ("sign", asked, "--root", root, "--to", signed),
        ("install", signed, "--state", relay.state),
    ):
        succeed(run(command("relayd.main", "next-key", *step), home))
    relay.stop()
    relay.start()


@contextlib.contextmanager
def eight_relays(place: Path, disk: Path) -> Iterator[Night]:
    """Start the relays for the block; one has its state directory on ``disk``."""
    night = Night(place)
    ill = (str(Path(ill_relay.__file__)),)
    with ThreadPoolExecutor() as several:
        making = {
            "loaded": several.submit(made, place / "loaded"),
            "full": several.submit(made, disk / "relay"),
            "stopped": several.submit(made, place / "stopped"),
            "locked": several.submit(made, place / "locked", intake_messages_max=20),
            "late": several.submit(made, place / "late"),
            "scarce": several.submit(
                made, place / "scarce", device_rate_per_s=10_000, device_burst=10_000, pair_burst=10_000,
                mailbox_messages=10_000,
            ),
            "aged": several.submit(
                made, place / "aged" / "state", connections_max=12, mailbox_messages=10, chat_s=20
            ),
            "ill": several.submit(made, place / "ill" / "state", launcher=ill, carrier=CARRIER),
        }  # fmt: skip
        night.relays = {name: each.result() for name, each in making.items()}
        let_key_end_in(night["aged"], 2)
        for name, relay in night.relays.items():
            back_up(relay, ago_s=27 * 3600 if name == "aged" else 0)
        list(several.map(RelayProcess.start, night.relays.values()))
    try:
        yield night
    finally:
        for relay in night.relays.values():
            if relay.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(relay.pid, signal.SIGCONT)
                end(relay.process)


@contextlib.contextmanager
def holding(relay: RelayProcess) -> Iterator[None]:
    """Hold the database as another program could."""
    with contextlib.closing(sqlite3.connect(relay.state / "relay.db", isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
