"""Whether the time of a refusal tells why it was refused: ``python bench/refusals.py``.

A real relay, one device, one question at a time. In each round every verb is asked about everybody whom the device may
know nothing of, in an order that is drawn anew; each time is compared with that of the same verb about an account that
is not there. JSON lines go to standard output; the exit status is 1 where a pair is told apart better than it may be.

The statistic is the probability that a sample of the one kind is slower than a sample of the other, ties counting half:
0.5 means that one look tells nothing. By how much it may differ stands in APART_MAX; the confidence bound is part of
what has to lie below it.
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import machine
from asking import Asking
from people import Person, born, enrol
from relay import Relay

from relayd.store.database import connect
from relayproto.codes import Class, Code, SubmitFlag
from relayproto.commands import Block, GetBundles, GetDevices, Lookup, PutPolicy, Submit, Target, Wrap
from relayproto.limits import UNIT_DEPTH_MAX
from relayproto.message import Message
from relayproto.policy import ROW_BYTES
from relayproto.replies import Refused, Submitted
from relayproto.standing import Permission, UnitState

SAMPLES = 10_000
APART_MAX = 0.05
"""Who looks once and guesses by the time is right in at most 55 of 100 cases."""
ERRORS = 3.5
"""Standard errors on each side: of some twenty pairs that are alike all lie within in 99 of 100 runs."""
WARMING = 200
"""Rounds that are not counted: pages, rosters and branches are cold in the first."""
SUSPENDED_UNIT, TOP_UNIT = 1, 2

_LIFTED = """
import sys
from relayd.services import directory, prekeys
directory.LOOKUP_BURST_MAX = 10**9
prekeys.BUNDLES_BURST_MAX = 10**9
from relayd.main import main
sys.exit(main())
"""
"""Look-ups and bundles of one account are too few for so many samples; who has many accounts has many of both."""


class Patient(Relay):
    """A relay that lets one account look up as often as it likes."""

    def _command(self, verb: str) -> list[str]:
        return [sys.executable, "-c", _LIFTED, verb, "--state", str(self.state)]


Question = Callable[[Person, str], Message]


class Numbered:
    """Submissions, whose numbers go up."""

    def __init__(self) -> None:
        """Begin with the first."""
        self._number = 0

    def __call__(self, person: Person, address: str) -> Message:  # noqa: ARG002 - an account is written to
        """Return one to somebody."""
        self._number += 1
        target = Target(person.account, 1, (Wrap(1, b"wrap"),))
        commitment = b"\x01" + self._number.to_bytes(32)
        return Submit(
            self._number, 0, Class.CHAT, 60, SubmitFlag.NONE, commitment, b"sealed", None, (target,), None
        )  # fmt: skip


def questions() -> dict[str, Question]:
    """Return what is asked."""
    return {
        "LOOKUP": lambda _, address: Lookup(address),
        "GET_DEVICES": lambda person, _: GetDevices(person.account),
        "GET_BUNDLES": lambda person, _: GetBundles(person.account, (1,)),
        "SUBMIT": Numbered(),
    }


def settle(state: Path, alone: Person, with_unit: Person, deep: Person) -> None:
    """Suspend one account, and the organisation of another, in the database of a relay that does not run.

    A third belongs to a unit as deep as any can be, of an organisation that works.
    """
    with contextlib.closing(connect(state / "relay.db", autocheckpoint_pages=1_000)) as db:
        db.execute("UPDATE account SET suspended = 1 WHERE account = ?", (alone.account,))
        db.execute(
            "INSERT INTO unit (id, under, organisation, name, state) VALUES (?1, 0, ?1, 'suspended', ?2)",
            (SUSPENDED_UNIT, UnitState.SUSPENDED),
        )
        db.execute("UPDATE account SET unit = ? WHERE account = ?", (SUSPENDED_UNIT, with_unit.account))
        for depth in range(UNIT_DEPTH_MAX):
            db.execute(
                "INSERT INTO unit (id, under, organisation, name, state) VALUES (?, ?, ?, ?, ?)",
                (TOP_UNIT + depth, depth and TOP_UNIT + depth - 1, TOP_UNIT, f"unit {depth}", UnitState.ACTIVE),
            )
        lowest = TOP_UNIT + UNIT_DEPTH_MAX - 1
        db.execute("UPDATE account SET unit = ? WHERE account = ?", (lowest, deep.account))
        db.commit()


def populated(relay: Relay) -> tuple[Person, dict[str, tuple[Person, str]]]:
    """Return who asks and about whom, by what they are."""
    asker, blocked, hidden, alone, with_unit, deep = asyncio.run(enrol(relay.place, 6, 1))
    relay.stop()
    settle(relay.state, alone, with_unit, deep)
    relay.start()
    for person, said in (
        (blocked, Block(asker.account, True)),
        (hidden, PutPolicy(bytes([Permission.DENY]) * ROW_BYTES)),
        (deep, PutPolicy(bytes([Permission.DENY]) * ROW_BYTES)),
    ):
        line = Asking(relay.place, person)
        line.ask(said)
        line.close()
    with contextlib.closing(sqlite3.connect(relay.state / "relay.db")) as db:
        address = dict(db.execute("SELECT account, address FROM account").fetchall())
    cases = {"blocked": blocked, "hidden": hidden, "suspended": alone, "of a suspended organisation": with_unit,
             "hidden, in a deep unit": deep}  # fmt: skip
    return asker, {
        "unknown": (born(), "u0@office.example"),
        "foreign": (born(), "u0@others.example"),
        **{case: (person, address[person.account]) for case, person in cases.items()},
    }


def refused(answer: Message) -> bool:
    """Say whether an answer is the one that tells nothing."""
    if isinstance(answer, Submitted):
        return answer.codes == (Code.NOT_AVAILABLE,)
    return isinstance(answer, Refused) and answer.code == Code.NOT_AVAILABLE


def sampled(
    line: Asking, cases: dict[str, tuple[Person, str]], rounds: int, minutes: float
) -> dict[str, dict[str, list[float]]]:
    """Return verb -> case -> seconds, one sample a round; of fewer rounds where they take too long."""
    until = time.monotonic() + minutes * 60
    chance, asked = random.Random(1), questions()
    took: dict[str, dict[str, list[float]]] = {verb: {case: [] for case in cases} for verb in asked}
    for turn in range(WARMING + rounds):
        if time.monotonic() > until:
            break
        for verb, question in asked.items():
            for case in chance.sample(sorted(cases), len(cases)):
                answer, seconds = line.ask(question(*cases[case]))
                if not refused(answer):
                    raise RuntimeError(f"{verb} about {case}: {answer}")
                if turn >= WARMING:
                    took[verb][case].append(seconds)
    return took


def slower(one: list[float], other: list[float]) -> tuple[float, float]:
    """Return the probability that a sample of ``one`` is slower than one of ``other``, and its standard error.

    Mann and Whitney's U over the number of pairs; the error is that of samples which are alike.
    """
    ranked = sorted([(seconds, 0) for seconds in one] + [(seconds, 1) for seconds in other])
    ranks, at = 0.0, 0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end][0] == ranked[at][0]:
            end += 1
        ranks += (at + 1 + end) / 2 * sum(1 for _, which in ranked[at:end] if not which)
        at = end
    pairs = len(one) * len(other)
    wins = ranks - len(one) * (len(one) + 1) / 2
    return wins / pairs, math.sqrt((len(one) + len(other) + 1) / (12 * pairs))


def compared(took: dict[str, dict[str, list[float]]]) -> Iterator[dict[str, Any]]:
    """Yield a result for each verb and case: times are its own and those of who is not there."""
    for verb, cases in took.items():
        unknown = cases["unknown"]
        for case, samples in cases.items():
            if case == "unknown":
                continue
            probability, error = slower(samples, unknown)
            apart = abs(probability - 0.5) + ERRORS * error
            yield {
                "case": "refusal", "verb": verb, "whom": case, "samples": len(samples),
                "slower": round(probability, 4), "within": round(ERRORS * error, 4), "apart": round(apart, 4),
                "tenth_us": [_us(samples, 0), _us(unknown, 0)], "median_us": [_us(samples, 4), _us(unknown, 4)],
                "wrong": apart > APART_MAX,
            }  # fmt: skip


def _us(samples: list[float], tenth: int) -> float:
    """Return how long the fastest tenths of the samples took at most, microseconds; 0 is one tenth, 4 the median."""
    return round(statistics.quantiles(samples, n=10)[tenth] * 1e6, 1)


def main() -> int:
    """Sample, compare and print."""
    parser = argparse.ArgumentParser(description="Measure whether the time of a refusal tells why.")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="of each verb and case (10000)")
    parser.add_argument("--minutes", type=float, default=60.0, help="end the sampling after so long (60)")
    parser.add_argument("--directory", type=Path, help="where the relay's state is made (default: the system's)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="relayd-bench-", dir=options.directory) as directory:
        print(json.dumps({"case": "machine", **machine.describe(Path(directory)), "apart_max": APART_MAX}), flush=True)
        cores = sorted(os.sched_getaffinity(0))
        relay = Patient(Path(directory) / "state", cores[0])
        os.sched_setaffinity(0, {cores[-1]})
        relay.start()
        try:
            asker, cases = populated(relay)
            line = Asking(relay.place, asker)
            results = list(compared(sampled(line, cases, options.samples, options.minutes)))
            line.close()
        finally:
            relay.stop()
    for result in results:
        print(json.dumps(result), flush=True)
    return int(any(result["wrong"] for result in results))


if __name__ == "__main__":
    sys.exit(main())
