"""The cases of a large office: F, codes while a broadcast runs, and G, a million that wait.

The same relay and generator as the other cases; the many recipients are planted, since enrolment is not what is
measured here. Each case stops and starts the relay once for that.
"""

import time
from collections.abc import Iterator, Sequence

from cases import SENDERS, Bench, Result, merged, wrong
from generator import SETTLE_S_MAX, Flow, Pair, Run
from login import NOTHING
from people import Person
from plant import plant
from submission import sizes, tail

from relayproto.codes import Class

TARGETS_EACH = 300
"""Targets of one SUBMIT of the broadcast: with their device and an empty wrap they fill most of a record."""
OTP_TTL_S = 300
WAVE = 2_000
"""Devices that are logged in at a time while a million drains."""
EXPIRY_TTL_S = 30
SLOWEST_PER_S = 1_000
"""Below this nobody waits for a million."""


def planted(bench: Bench, count: int) -> list[Person]:
    """Plant people while the relay is stopped for it."""
    bench.relay.stop()
    people = plant(bench.relay.state, count)
    bench.relay.start()
    return people


# --- F ---


def codes_and_broadcast(bench: Bench) -> Iterator[Result]:
    """Codes at a fixed rate to devices that are online: alone, and while one sender broadcasts."""
    options = bench.options
    recipients = planted(bench, options.recipients)
    codes = _codes(bench)
    run = Run(codes, (Flow(rate=options.codes),), payload=_body(bench), warm_s=options.warm, seconds=options.seconds)
    alone = bench.loaded("F", run)
    bench.all_closed()
    yield bench.rated("F", f"codes at {options.codes:.0f}/s alone", alone["count"], alone)

    both = _with_broadcast(bench, recipients)
    bench.all_closed()
    what = f"codes at {options.codes:.0f}/s while a broadcast to {options.recipients} runs"
    during, sent, came = both["flows"]
    yield bench.rated("F", what, during["count"], {**both, **during})
    envelopes = options.recipients
    told = bench.rated(
        "F", f"the broadcast: SUBMITs to {TARGETS_EACH} each, {options.online} online", envelopes, {**both, **sent}
    )
    lost = came["lost"]
    yield merged({**told, "per_s": round(envelopes / max(sent["took"], 1e-9))}, wrong({f"not delivered: {lost}": lost}))


def _body(bench: Bench) -> int:
    return sizes(bench.options.envelope)[0]


def _codes(bench: Bench) -> list[Pair]:
    people = bench.crew.people[: 2 * bench.options.pairs]
    return bench.paired(people, class_=Class.OTP, ttl_s=OTP_TTL_S)


def _with_broadcast(bench: Bench, recipients: Sequence[Person]) -> Result:
    options = bench.options
    sender = bench.crew.people[2 * options.pairs]
    groups = [recipients[first : first + TARGETS_EACH] for first in range(0, len(recipients), TARGETS_EACH)]
    tails = [tail(group, options.envelope, class_=Class.BROADCAST) for group in groups]
    [seat] = bench.crew.log_in([sender])
    number = sender.submission
    broadcast = Pair(SENDERS, seat, number=number, each=len(groups), flow=1, tails=tails)
    step = max(len(recipients) // options.online, 1) if options.online else len(recipients) + 1
    chosen = range(0, len(recipients), step)
    seats = bench.crew.log_in([recipients[index] for index in chosen])
    online = [
        Pair(SENDERS, receiver=link, number=number + index // TARGETS_EACH, each=1, flow=2)
        for index, link in zip(chosen, seats, strict=True)
    ]
    start_s = options.warm
    flows = (Flow(rate=options.codes), Flow(options.window, start_s=start_s), Flow(start_s=start_s))
    return bench.loaded("F", Run([*_codes(bench), broadcast, *online], flows, payload=_body(bench), warm_s=start_s))


# --- G ---


class Million:
    """So many envelopes over so many mailboxes, from a hundred senders that each have mailboxes of their own."""

    def __init__(self, bench: Bench) -> None:
        """Plant the recipients."""
        self._bench = bench
        options = bench.options
        self._each = max(options.mailboxes // SENDERS, 1)
        self._senders = bench.crew.people[:SENDERS]
        people = planted(bench, self._each * SENDERS)
        self._groups = [people[first : first + self._each] for first in range(0, len(people), self._each)]
        self._rounds = max(options.queued // len(people), 1)
        self._begun: list[int] = []
        self._others = bench.relay.queued()

    def run(self) -> Iterator[Result]:
        """Fill the store, look at it while it is full, drain it, and let some expire."""
        bench, rounds = self._bench, self._rounds
        self._begun = [sender.submission for sender in self._senders]
        tenth = max(rounds // 10, 1)
        for what, times in (("the first", tenth), ("on to", rounds - 2 * tenth), ("the last", tenth)):
            if times > 0:
                yield self._enqueue(what, times)
        queued = bench.relay.queued()
        what = f"latency at {bench.options.rate:.0f}/s with {queued} queued"
        yield bench.steady("G", what, bench.options.pairs, Flow(rate=bench.options.rate))
        yield self._drain()
        yield self._expire()

    def _enqueue(self, what: str, times: int, ttl_s: int = 86_400) -> Result:
        bench, options = self._bench, self._bench.options
        seats = bench.crew.log_in(self._senders)
        pairs = [
            Pair(
                number, seat, number=seat.person.submission, each=times * self._each,
                tails=[tail([to], options.envelope, ttl_s=ttl_s) for to in group],
            )
            for number, (seat, group) in enumerate(zip(seats, self._groups, strict=True))
        ]  # fmt: skip
        settle_s = SETTLE_S_MAX + times * self._each * SENDERS / SLOWEST_PER_S
        result = bench.loaded("G", Run(pairs, (Flow(options.window),), payload=_body(bench), settle_s=settle_s))
        bench.all_closed()
        queued = bench.relay.queued()
        mailboxes = self._each * SENDERS
        said = f"enqueue over {mailboxes} offline mailboxes, {what} {queued if what == 'on to' else result['count']}"
        return {**bench.rated("G", said, result["count"], result), "queued": queued}

    def _drain(self) -> Result:
        bench = self._bench
        devices = [
            (number, begun + place, person)
            for number, (begun, group) in enumerate(zip(self._begun, self._groups, strict=True))
            for place, person in enumerate(group)
        ]
        total: Result = {}
        for first in range(0, len(devices), WAVE):
            wave = devices[first : first + WAVE]
            seats = bench.crew.log_in([person for _, _, person in wave], NOTHING)
            pairs = [
                Pair(number, receiver=seat, number=before, each=self._rounds, stride=self._each)
                for (number, before, _), seat in zip(wave, seats, strict=True)
            ]
            result = bench.loaded("G", Run(pairs, payload=_body(bench)))
            bench.all_closed()
            total = _added(total, result)
        left = bench.relay.left(self._others)
        rated = bench.rated("G", f"drain, {WAVE} devices at a time", total["count"], total)
        return merged(rated, wrong({f"acknowledged but left: {left}": left}))

    def _expire(self) -> Result:
        """Let a tenth run out while the relay is stopped, and see how long the sweep takes when it starts."""
        bench = self._bench
        filled = self._enqueue("to expire, ", max(self._rounds // 10, 1), EXPIRY_TTL_S)
        bench.relay.stop()
        time.sleep(EXPIRY_TTL_S)
        bench.relay.start()
        begun, used = time.perf_counter(), bench.relay.cpu_s()
        count = left = bench.relay.queued() - self._others
        while left and time.perf_counter() - begun < EXPIRY_TTL_S * 4:
            time.sleep(0.02)
            left = bench.relay.queued() - self._others
        seconds = max(time.perf_counter() - begun, 1e-9)
        return {
            "case": "G", "what": f"expiry of {filled['queued']}, {count} of them after the start", "count": count,
            "per_s": round(count / seconds), "seconds": round(seconds, 3),
            "relay_us_each": round((bench.relay.cpu_s() - used) / max(count, 1) * 1e6, 2),
            **merged({key: filled[key] for key in ("wrong",) if key in filled}, wrong({f"not expired: {left}": left})),
        }  # fmt: skip


def _added(total: Result, result: Result) -> Result:
    """Add one wave to those before: counts and times add up, shares are the newest's."""
    if not total:
        return result
    added = ("seconds", "relay_s", "count", "lost")
    troubles = {
        name: total["troubles"].get(name, 0) + result["troubles"].get(name, 0)
        for name in {**total["troubles"], **result["troubles"]}
    }
    return {**result, **{key: total[key] + result[key] for key in added}, "troubles": troubles}
