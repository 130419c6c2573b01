"""The cases of the benchmark, each in the words of its result.

A relay that runs, people and the load generator enter; one result a case leaves: plain values, ready for a JSON line.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import spy
from crew import Crew
from generator import Flow, Generator, Pair, Run, fullness
from login import NOTHING, Seat
from machine import Meter, resident_bytes, shares
from people import Person
from relay import Relay
from submission import TTL_S, sizes, tail

from relayproto.codes import Class

Result = dict[str, Any]
CLOSED_S_MAX = 30.0
EACH_MAX = 2_000
"""One sender has at most half of a mailbox (2,500 of 5,000) by the product's own limits."""
SENDERS = 100
"""In G, so that a million are sent in a minute and each of them has mailboxes of its own."""
_TAILS = 4


class Bench:
    """One run: the relay, the people, the load generator and what was asked for."""

    def __init__(
        self, relay: Relay, crew: Crew, generator: Generator, meter: Meter, options: argparse.Namespace
    ) -> None:
        """Take what is there."""
        self.relay = relay
        self.crew = crew
        self.options = options
        self._generator = generator
        self._meter = meter
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
        if self._backlog and "C" not in cases and cases & {"F", "G"}:
            yield self._drain()

    # --- cases ---

    def _enrol(self, cases: set[str]) -> Iterator[Result]:
        options = self.options
        needed = {"A": 2 * options.pairs, "A1": 2 * options.pairs1, "A2": 2 * options.pairs, "B": 2 * options.pairs}
        needed |= {"C": 2 * options.pairs, "H": 2 * options.pairs, "D": options.idle, "E": options.idle}
        needed |= {"F": 2 * options.pairs + 1, "G": max(2 * options.pairs, SENDERS)}
        made, result = self._metered(lambda: self.crew.enrol(max(needed[case] for case in cases)))
        yield self.rated("enrolment", "invitation, handshake (NKhfs), ENROL, one account each", made, result)

    def _start_again(self) -> Iterator[Result]:
        self.relay.stop()
        seconds = self.relay.start()
        yield {"case": "H", "what": "start to /readyz, nothing queued", "seconds": round(seconds, 3)}

    def _idle(self) -> Iterator[Result]:
        """Cases E and D: connect many devices, then let them be."""
        count = self.options.idle
        before = resident_bytes(self.relay.pid)
        logins = self.crew.logins(self.crew.people[:count])
        seats, result = self._metered(lambda: self.crew.dial(logins))
        yield self.rated("E", "connection, handshake (XKhfs), login", count, result)
        time.sleep(1.0)
        grown = resident_bytes(self.relay.pid) - before
        for seat in seats:
            seat.handed_over()
        self.all_closed()
        yield {
            "case": "D", "what": f"memory of an idle connection, over {count}", "bytes": round(grown / count),
            "resident_before": before,
        }  # fmt: skip

    def _online(self) -> Iterator[Result]:
        options = self.options
        for outcomes in (False, True):
            what = f"{options.pairs} pairs, {options.window} in flight, outcomes {'on' if outcomes else 'off'}"
            yield self.steady("A", what, options.pairs, Flow(options.window), outcomes=outcomes)

    def _one_in_flight(self) -> Iterator[Result]:
        pairs = self.options.pairs1
        yield self.steady("A1", f"{pairs} pairs, 1 in flight, outcomes off", pairs, Flow(1))

    def _latency(self) -> Iterator[Result]:
        options = self.options
        what = f"latency at {options.rate:.0f}/s over {options.pairs} pairs"
        yield self.steady("A2", what, options.pairs, Flow(rate=options.rate))

    def _offline(self) -> Iterator[Result]:
        yield self._enqueue("B")

    def _after_a_crash(self, cases: set[str]) -> Iterator[Result]:
        """Cases H and C: kill -9 with a backlog, start again, and see that all of it is there."""
        if not self._backlog:
            filled = self._enqueue("backlog")
            if "wrong" in filled:
                yield filled
        log_bytes = self.relay.log_bytes()
        self.relay.kill()
        seconds = self.relay.start()
        gone = self._backlog - self.relay.queued()
        if "H" in cases:
            yield {
                "case": "H", "what": f"start to /readyz after kill -9, {self._backlog} queued", "log_bytes": log_bytes,
                "seconds": round(seconds, 3), **wrong({f"lost by the crash: {gone}": gone}),
            }  # fmt: skip
        if "C" in cases:
            yield self._drain()

    def _drain(self) -> Result:
        options = self.options
        receivers = self.crew.people[1 : 2 * options.pairs : 2]
        senders = self.crew.people[0 : 2 * options.pairs : 2]
        seats = self.crew.log_in(receivers, NOTHING)
        pairs = [
            Pair(number, receiver=seat, number=sender.submission - options.each, each=options.each)
            for number, (sender, seat) in enumerate(zip(senders, seats, strict=True))
        ]
        result = self.loaded("C", Run(pairs, payload=sizes(options.envelope)[0]))
        what = f"drain of {self._backlog} envelopes to {options.pairs} devices"
        self.all_closed()
        left = self.relay.left()
        return merged(self.rated("C", what, result["count"], result), wrong({f"acknowledged but left: {left}": left}))

    # --- shared ---

    def steady(self, case: str, what: str, pairs: int, flow: Flow, *, outcomes: bool = False) -> Result:
        """Let pairs of devices that are all online send for the time that was asked for."""
        options = self.options
        made = self.paired(self.crew.people[: 2 * pairs], outcomes=outcomes)
        run = Run(
            made, (flow,), payload=sizes(options.envelope)[0], warm_s=options.warm, seconds=options.seconds
        )  # fmt: skip
        result = self.loaded(case, run)
        self.all_closed()
        return self.rated(case, what, result["count"], result)

    def _enqueue(self, case: str) -> Result:
        options = self.options
        people = self.crew.people[: 2 * options.pairs]
        made = self.paired(people, offline=True, each=options.each)
        result = self.loaded(case, Run(made, (Flow(options.window),), payload=sizes(options.envelope)[0]))
        self.all_closed()
        self._backlog = self.relay.queued()
        missing = result["sent"] - self._backlog
        rated = self.rated(
            case, f"enqueue to {options.pairs} offline devices, {options.each} each", result["count"], result
        )
        return merged({**rated, "queued": self._backlog}, wrong({f"not queued: {missing}": missing}))

    def paired(
        self, people: Sequence[Person], *, offline: bool = False, outcomes: bool = False, each: int = 0,
        class_: Class = Class.CHAT, ttl_s: int = TTL_S,
    ) -> list[Pair]:  # fmt: skip
        """Log people in and pair them: every second one receives, or stays away."""
        envelope = self.options.envelope
        seats: list[Seat] = self.crew.log_in(people[0::2] if offline else people)
        senders = seats if offline else seats[0::2]
        receivers: Sequence[Seat | None] = [None] * len(senders) if offline else seats[1::2]
        return [
            Pair(
                number, sender, receiver, sender.person.submission, each, outcomes=outcomes,
                tails=[tail([to], envelope, class_=class_, ttl_s=ttl_s, outcomes=outcomes) for _ in range(_TAILS)],
            )
            for number, (sender, receiver, to) in enumerate(zip(senders, receivers, people[1::2], strict=True))
        ]  # fmt: skip

    def loaded(self, case: str, run: Run) -> Result:
        """Run the generator, bring what it says to the people, and return it with the first flow's figures on top."""
        pid = self.relay.pid
        before = self.relay.commits()
        links = run.links()
        self._generator.start(run, pid)
        if self.options.profile:
            time.sleep(run.warm_s + 0.5)
            spy.report(case, pid, seconds=max(1.0, run.seconds - 1.0))
        result = self._generator.result()
        committed = self.relay.commits().since(before)
        for link, (submission, *floors) in zip(links, result.pop("conns"), strict=True):
            assert isinstance(link, Seat)
            link.person.submission = max(link.person.submission, submission)
            link.person.floors = floors
        return {**result, **result["flows"][0], **committed}

    def _metered(self, act: Callable[[], Any]) -> tuple[Any, Result]:
        """Do something in this process; return what it gives, and who was busy meanwhile."""
        begin = self._meter.read(self.relay.pid)
        given = act()
        end = self._meter.read(self.relay.pid)
        return given, {"seconds": end.wall - begin.wall, "relay_s": end.relay - begin.relay, **shares(begin, end)}

    def rated(self, case: str, what: str, count: int, result: Result) -> Result:
        """Turn counts into rates, and say what was wrong."""
        dropped = {"flows", "relay_s", "troubles", "took", "lost", "skipped", "count"}
        rated: Result = {"case": case, "what": what, "per_s": round(count / result["seconds"]), "count": count}
        if count:
            rated["relay_us_each"] = round(result["relay_s"] / count * 1e6, 2)
        for key, value in result.items():
            if key not in dropped:
                rated[key] = round(value, 3) if isinstance(value, float) else value
        rated |= fullness(result["generator_cpu"], result["generator_core_busy"])
        lost, skipped = result.get("lost", 0), result.get("skipped", 0)
        found = {f"lost: {lost}": lost, f"could not be sent in time: {skipped}": skipped}
        found |= {f"{name}: {times}": times for name, times in result.get("troubles", {}).items()}
        return {**rated, **wrong(found)}

    def all_closed(self) -> None:
        """Wait until the relay knows that nobody is connected any more."""
        until = time.perf_counter() + CLOSED_S_MAX
        while self.relay.figures()["connections open"] and time.perf_counter() < until:
            time.sleep(0.02)


def merged(result: Result, more: Result) -> Result:
    """Return both, what was wrong joined."""
    said = [each["wrong"] for each in (result, more) if "wrong" in each]
    return {**result, **more, **({"wrong": "; ".join(said)} if said else {})}


def wrong(found: dict[str, int]) -> Result:
    """Return what was wrong as part of a result, nothing where nothing was."""
    said = [name for name, count in found.items() if count]
    return {"wrong": "; ".join(said)} if said else {}
