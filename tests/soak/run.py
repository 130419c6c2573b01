"""A real relay under mixed load with churn, for as long as somebody has patience: does anything grow?

Minutes and a seed enter; a progress line each half minute, JSON lines and an exit status leave: 1 where a figure is not
flat (``soak.flat``), or where anybody met what should not happen::

    make soak MINUTES=60 SEED=1
"""

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from soak.flat import Point, Verdict, judge
from soak.residents import Street
from support.processes import RelayProcess, a_relay

RESIDENTS = 60
JOIN_EVERY_S = 5.0
"""One comes and one goes for good."""
SAMPLE_S = 1.0
TELL_S = 30.0
WARM_S_MIN = 60.0
WARM_SHARE = 0.2
ACCOUNT_OCTETS = 3 << 10
"""What an account takes in the database for good, its indices too: that it grows by those is no leak."""
FLOORS = {"memory": 8 << 20, "descriptors": 4, "database": 4 << 20, "log": 4 << 20}
"""By how much each may grow over the whole time even where that is more than a twentieth of it: pages that an allocator
keeps, files that are open for a moment, pages and frames that a checkpoint has not given back yet."""
SETTINGS = {"wal_autocheckpoint_pages = 16000": "wal_autocheckpoint_pages = 1000"}
"""So that the log has its full length after a minute and not after an hour."""


def figures(relay: RelayProcess) -> dict[str, float]:
    """Return what the relay uses now."""
    process = Path(f"/proc/{relay.pid}")
    lines = [line.rsplit(" ", 1) for line in relay.page("/metrics")[1].decode().splitlines() if line[:1] != "#"]
    metrics = {name: float(value) for name, value in lines}
    opened = sum(1 for _ in (process / "fd").iterdir())
    database, log = relay.state / "relay.db", relay.state / "relay.db-wal"
    enrolled = metrics["relayd_accounts_enrolled_total"]
    return {
        "memory": int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
        "descriptors": opened - metrics["relayd_connections"],
        "database": database.stat().st_size - ACCOUNT_OCTETS * enrolled,
        "log": log.stat().st_size if log.exists() else 0,
        "queued": metrics["relayd_queue_messages"],
        "connections": metrics["relayd_connections"],
        "errors": metrics["relayd_internal_errors_total"],
    }


class Soak:
    """One run."""

    def __init__(self, relay: RelayProcess, street: Street, seconds: float) -> None:
        self._relay = relay
        self._street = street
        self._seconds = seconds
        self.warm_s = min(max(WARM_S_MIN, WARM_SHARE * seconds), seconds / 2)
        self.samples: list[tuple[float, dict[str, float]]] = []

    async def run(self, residents: int) -> None:
        for _ in range(residents):
            await self._street.join()
        began, told, joined = time.monotonic(), 0.0, 0.0
        while (at_s := time.monotonic() - began) < self._seconds:
            self.samples.append((at_s, await asyncio.to_thread(figures, self._relay)))
            if at_s - told >= TELL_S:
                told = at_s
                self._tell(at_s)
            if at_s - joined >= JOIN_EVERY_S:
                joined = at_s
                await self._street.join()
                await self._street.leave()
            await asyncio.sleep(SAMPLE_S)
        await self._street.close()

    def _tell(self, at_s: float) -> None:
        now = self.samples[-1][1]
        memory, database, log = (now[name] / (1 << 20) for name in ("memory", "database", "log"))
        sys.stderr.write(
            f"{at_s / 60:5.1f} of {self._seconds / 60:g} min: {memory:.1f} MiB, {now['descriptors']:.0f} descriptors"
            f" beside {now['connections']:.0f} connections, database {database:.1f} MiB, log {log:.1f} MiB,"
            f" {now['queued']:.0f} queued, {self._street.told['delivered']} delivered\n"
        )
        sys.stderr.flush()

    def verdicts(self) -> list[Verdict]:
        """Return how each figure went after the warm-up."""
        warm = [(at_s, sample) for at_s, sample in self.samples if at_s >= self.warm_s]
        return [judge(name, [Point(at_s, sample[name]) for at_s, sample in warm], floor)
                for name, floor in FLOORS.items()]  # fmt: skip


async def soak(relay: RelayProcess, seconds: float, seed: int, residents: int = RESIDENTS) -> tuple[Soak, Street]:
    """Run for so long; return the samples and what people met."""
    street = Street(relay, random.Random(seed))
    run = Soak(relay, street, seconds)
    await run.run(residents)
    return run, street


def main() -> int:
    parser = argparse.ArgumentParser(description="Does anything grow in a relay under mixed load?")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, a_relay(Path(directory) / "relay", settings=SETTINGS) as relay:
        run, street = asyncio.run(soak(relay, options.minutes * 60, options.seed))
    verdicts = run.verdicts()
    for verdict in verdicts:
        print(json.dumps({"case": "soak", **asdict(verdict), "flat": verdict.flat}))
    errors = run.samples[-1][1]["errors"]
    wrong = (
        [each.name for each in verdicts if not each.flat] + list(street.trouble) + ["internal errors"] * bool(errors)
    )
    print(json.dumps({
        "case": "soak", "what": f"{options.minutes:g} minutes, seed {options.seed}, warm after {run.warm_s:.0f} s",
        "told": dict(street.told), "trouble": dict(street.trouble), "wrong": wrong,
    }))  # fmt: skip
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
