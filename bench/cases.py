"""The cases of the benchmark, each in the words of its result.

A relay that runs and generators enter; one result a case leaves: plain values, ready for a JSON line.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import spy
from crew import Generators
from machine import resident_bytes
from relay import Relay

Result = dict[str, Any]
CLOSED_S_MAX = 30.0
EACH_MAX = 2_000
"""One sender has at most half of a mailbox (2,500 of 5,000) by the product's own limits."""
BOTTLENECK_PERCENT = 90


class Bench:
    """One run: the relay, the generators and what was asked for."""

    def __init__(self, relay: Relay, generators: Generators, options: argparse.Namespace) -> None:
        """Take what is there."""
        self._relay = relay
        self._generators = generators
        self._options = options
        self._backlog = 0

    def run(self, cases: set[str]) -> Iterator[Result]:
        """Yield the results of the cases in an order that lets none disturb the next."""
        table: tuple[tuple[str, Callable[[], Iterator[Result]]], ...] = (
            ("H", self._start_again),
            ("E", self._idle),
            ("D", self._idle),
            ("A", self._online),
            ("A1", self._one_in_flight),
            ("A2", self._latency),
            ("B", self._offline),
        )
        yield from self._enrol(cases)
        done: set[Callable[[], Iterator[Result]]] = set()
        for name, case in table:
            if name in cases and case not in done:
                done.add(case)
                yield from case()
        if cases & {"C", "H"}:
            yield from self._after_a_crash(cases)

    # --- cases ---

    def _enrol(self, cases: set[str]) -> Iterator[Result]:
        options = self._options
        needed = {"A": 2 * options.pairs, "A1": 2 * options.pairs1, "A2": 2 * options.pairs, "B": 2 * options.pairs}
        needed |= {"C": 2 * options.pairs, "H": 2 * options.pairs, "D": options.idle, "E": options.idle}
        count = max(needed[case] for case in cases)
        result = self._generators.call("enrol", self._relay.pid, count=count, first=0)
        yield self._rated("enrolment", "invitation, handshake (NKhfs), ENROL, one account each", result)

    def _start_again(self) -> Iterator[Result]:
        self._relay.stop()
        seconds = self._relay.start()
        yield {"case": "H", "what": "start to /readyz, nothing queued", "seconds": round(seconds, 3)}

    def _idle(self) -> Iterator[Result]:
        """Cases E and D: connect many devices, then let them be."""
        count = self._options.idle
        before = resident_bytes(self._relay.pid)
        result = self._generators.call("connect", self._relay.pid, count=count)
        yield self._rated("E", "connection, handshake (XKhfs), login", result)
        time.sleep(1.0)
        grown = resident_bytes(self._relay.pid) - before
        yield {
            "case": "D", "what": f"memory of an idle connection, over {count}", "bytes": round(grown / count),
            "resident_before": before, **self._hang_up(),
        }  # fmt: skip

    def _online(self) -> Iterator[Result]:
        options = self._options
        for outcomes in (False, True):
            what = f"{options.pairs} pairs, {options.window} in flight, outcomes {'on' if outcomes else 'off'}"
            yield self._steady("A", what, options.pairs, options.window, outcomes=outcomes)

    def _one_in_flight(self) -> Iterator[Result]:
        pairs = self._options.pairs1
        yield self._steady("A1", f"{pairs} pairs, 1 in flight, outcomes off", pairs, 1, outcomes=False)

    def _latency(self) -> Iterator[Result]:
        options = self._options
        result = self._profiled(
            "A2", "paced", pairs=options.pairs, rate=options.rate, warm_s=options.warm, seconds=options.seconds,
            envelope=options.envelope,
        )  # fmt: skip
        late_ms = round(result.pop("late_p99_ms"), 2)
        what = f"latency at {options.rate:.0f}/s over {options.pairs} pairs"
        yield {**self._rated("A2", what, result), "generator_late_p99_ms": late_ms, **self._hang_up()}

    def _offline(self) -> Iterator[Result]:
        yield self._enqueue("B")

    def _after_a_crash(self, cases: set[str]) -> Iterator[Result]:
        """Cases H and C: kill -9 with a backlog, start again, and see that all of it is there."""
        if not self._backlog:
            filled = self._enqueue("backlog")
            if "lost" in filled.get("wrong", ""):
                yield filled
        log_bytes = self._relay.log_bytes()
        self._relay.kill()
        seconds = self._relay.start()
        queued = self._relay.figures()["envelopes queued"]
        if "H" in cases:
            gone = self._backlog - queued
            yield {
                "case": "H", "what": f"start to /readyz after kill -9, {self._backlog} queued", "log_bytes": log_bytes,
                "seconds": round(seconds, 3), **_wrong({f"lost by the crash: {gone}": gone}),
            }  # fmt: skip
        if "C" not in cases:
            return
        pairs, each = self._options.pairs, self._options.each
        result = self._profiled("C", "drain", pairs=pairs, each=each)
        yield {**self._rated("C", f"drain of {self._backlog} envelopes to {pairs} devices", result), **self._hang_up()}
        left = self._relay.figures()["envelopes queued"]
        if left:
            yield {
                "case": "C",
                "what": "left after the drain",
                "count": left,
                **_wrong({"acknowledged but left": left}),
            }

    # --- shared ---

    def _steady(self, case: str, what: str, pairs: int, window: int, *, outcomes: bool) -> Result:
        options = self._options
        result = self._profiled(
            case, "online", pairs=pairs, window=window, warm_s=options.warm, seconds=options.seconds,
            outcomes=outcomes, envelope=options.envelope,
        )  # fmt: skip
        return {**self._rated(case, what, result), **self._hang_up()}

    def _enqueue(self, case: str) -> Result:
        options = self._options
        result = self._profiled(
            case, "enqueue", pairs=options.pairs, window=options.window, each=options.each, envelope=options.envelope
        )
        self._backlog = self._relay.figures()["envelopes queued"]
        missing = result["sent"] - self._backlog
        rated = self._rated(case, f"enqueue to {options.pairs} offline devices, {options.each} each", result)
        hung = self._hang_up()
        return {**rated, "queued": self._backlog, **(hung or _wrong({f"lost: {missing}": missing}))}

    def _profiled(self, case: str, name: str, **order: Any) -> Result:
        generators, pid = self._generators, self._relay.pid
        before = self._relay.commits()
        generators.begin(name, pid, **order)
        if self._options.profile:
            time.sleep(self._options.warm + 0.5)
            spy.report(f"{case} {order}", pid, seconds=max(1.0, self._options.seconds - 1.0))
        result = generators.result()
        commits, works = (after - then for after, then in zip(self._relay.commits(), before, strict=True))
        return {**result, "works_a_commit": works / max(commits, 1)}

    def _rated(self, case: str, what: str, result: Result) -> Result:
        """Turn counts into rates and lists into quantiles, and say what was wrong."""
        count, relay_s = result["count"], result.pop("relay_s")
        lost = result.pop("lost", 0)
        rated: Result = {"case": case, "what": what, "per_s": round(count / result["seconds"])}
        if count:
            rated["relay_us_each"] = round(relay_s / count * 1e6, 2)
        for name in ("accepted_ms", "complete_ms"):
            values = result.pop(name, [])
            if len(values) > 1:
                cuts = statistics.quantiles(values, n=1000, method="inclusive")
                rated |= {f"{name}_p50": round(cuts[499], 2), f"{name}_p99": round(cuts[989], 2)}
        rated |= {key: round(value, 2) if isinstance(value, float) else value for key, value in result.items()}
        if result["generator_core_busy"] > BOTTLENECK_PERCENT:
            rated["generator_is_bottleneck"] = result["generator_cpu"] > result["generator_core_busy"] / 2
            rated["generator_core_is_full"] = True
        return {**rated, **_wrong({f"lost: {lost}": lost})}

    def _hang_up(self) -> Result:
        """Close all connections, wait until the relay knows, and say what went wrong on them."""
        troubles = self._generators.call("hang_up", self._relay.pid)["troubles"]
        until = time.perf_counter() + CLOSED_S_MAX
        while self._relay.figures()["connections open"] and time.perf_counter() < until:
            time.sleep(0.02)
        return _wrong({f"{name}: {count}": count for name, count in troubles.items()})


def _wrong(found: dict[str, int]) -> Result:
    """Return what was wrong as part of a result, nothing where nothing was."""
    said = [name for name, count in found.items() if count]
    return {"wrong": "; ".join(said)} if said else {}
