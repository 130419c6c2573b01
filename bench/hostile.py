"""What honest people feel while a thousand connections are hostile: ``make bench-hostile``.

A real relay, pinned to its core, with the product's own limits; ``--peers`` connections of all kinds of
``tests/hostile/catalogue.py``, each from a source address of its own. In each round the latency of ``--pairs`` honest
pairs at ``--rate`` is measured twice: while the crowd is logged in and idle, and while it is hostile. JSON lines go to
standard output. The exit status is 1 where a message was lost, or the median p99 grows to more than RATIO_MAX times.

The crowd is a process of its own on the generator's core, by the policy SCHED_IDLE: it takes what the generator leaves.
As root the generator is a real-time process: by the usual policy it came up to 12 ms late beside the crowd, and what it
is late is in the figures (``late_ms_p99`` tells).
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import machine
from cases import Bench, wrong
from crew import Crew
from generator import Flow, Generator, Run
from people import DEVICE, Person
from relay import RAISED, Relay
from submission import sizes

from relayd.config import LimitsSection
from relayproto import descriptor

ROOT = Path(__file__).parents[1]
RATIO_MAX = 2.0
SILENT_SHARE_MAX = 1 / 3
"""Of the kinds, of which the relay has counted nothing: who reads nothing is cut off after 20 s, some are slow by
chance; where it is more the crowd was not let run, and nothing was measured."""
ANSWER_S_MAX = 300.0
VICTIMS = 2
"""Honest accounts that hostile peers are after: one that is there and one that is away."""
FIGURES = ("accepted_ms_p50", "accepted_ms_p99", "complete_ms_p50", "complete_ms_p99")
RELAY_CORE = 0


class Crowd:
    """The hostile peers' process."""

    def __init__(self, relay: Relay, members: list[Person], first: int, kinds: list[str]) -> None:
        """Start it; ``first`` is the number in the address of the first of the people, no kinds are all."""
        path = os.pathsep.join(str(ROOT / part) for part in ("tests", "", "proto", "client"))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hostile.crowd"], cwd=ROOT, env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        place = relay.place
        root = descriptor.fingerprint((relay.state / "root.pub").read_bytes())
        people = [
            (
                each.account.hex(),
                DEVICE,
                each.dh_private.hex(),
                each.sign_seed.hex(),
                f"u{first + number}@office.example",
            )
            for number, each in enumerate(members)
        ]
        told = {"port": place.port, "key_id": place.key_id, "relay_key": place.key.hex(), "root": root.hex()}
        self._say(json.dumps({**told, "members": people, "kinds": kinds}))

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def be(self, state: str) -> dict[str, Any]:
        """Have them idle or hostile; return how many peers there are and what they have done."""
        assert self._process.stdout is not None
        self._say(state)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def end(self) -> None:
        """Let the process end."""
        self._process.terminate()
        try:
            self._process.wait(ANSWER_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Felt:
    """The honest pairs' rounds."""

    def __init__(self, bench: Bench, generator: Generator, crowd: Crowd, options: argparse.Namespace) -> None:
        """Take who takes part; ``generator`` is the one of ``bench``."""
        self._bench = bench
        self._generator = generator
        self._crowd = crowd
        self._options = options

    def measured(self, state: str) -> dict[str, Any]:
        """Return one measurement: what the pairs felt, and what the relay has counted meanwhile."""
        options, bench = self._options, self._bench
        answer = self._crowd.be(state)
        time.sleep(options.settle)
        before, waited_s, began = bench.relay.metrics(), machine.waited_s(bench.relay.pid), time.perf_counter()
        pairs = bench.paired(bench.crew.people[: 2 * options.pairs])
        run = Run(
            pairs, (Flow(rate=options.rate),), payload=sizes(options.envelope)[0], warm_s=options.warm,
            seconds=options.seconds,
        )  # fmt: skip
        result = bench.loaded(state, run)
        took, after = time.perf_counter() - began, bench.relay.metrics()
        waited_s = machine.waited_s(bench.relay.pid) - waited_s
        what = f"{options.pairs} honest pairs at {options.rate:.0f}/s beside {answer['peers']} {state} connections"
        counted = {
            name: round((after[series] - before[series]) / took, 1) for name, series in answer["counted"].items()
        }
        resident = machine.resident_bytes(bench.relay.pid)
        rated = bench.rated(state, what, result["count"], result)
        others = {"generator_real_time": self._generator.real_time, "relay_waited": round(100 * waited_s / took, 1)}
        return {**rated, **others, "counted_per_s": counted, "resident": resident}


def verdict(rounds: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return the medians of both states, and how many times as long it takes beside the hostile."""
    medians = {
        state: {name: round(statistics.median(each[name] for each in results), 3) for name in FIGURES}
        for state, results in rounds.items()
    }
    ratio = {name: round(medians["hostile"][name] / max(medians["idle"][name], 1e-6), 2) for name in FIGURES}
    over = {f"{name} is {ratio[name]} times as long": ratio[name] > RATIO_MAX for name in FIGURES if "p99" in name}
    counted = [each["counted_per_s"] for each in rounds["hostile"]]
    silent = [name for name in counted[0] if not any(each[name] for each in counted)]
    over[f"of the kinds nothing was seen of {len(silent)}: others use this machine"] = len(
        silent
    ) > SILENT_SHARE_MAX * len(counted[0])
    lost = {each["wrong"]: 1 for results in rounds.values() for each in results if "wrong" in each}
    return {
        "case": "verdict", "what": f"medians of {len(rounds['idle'])}", **medians, "ratio": ratio,
        "ratio_max": RATIO_MAX, "silent": silent, **wrong({**over, **lost}),
    }  # fmt: skip


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what honest pairs feel while others are hostile.")
    parser.add_argument("--peers", type=int, default=1000, help="hostile connections, the kinds in turn (1000)")
    parser.add_argument("--pairs", type=int, default=50, help="honest pairs (50)")
    parser.add_argument("--rate", type=float, default=200.0, help="messages a second over all of them (200)")
    parser.add_argument("--rounds", type=int, default=5, help="of which the medians are taken (5)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each is measured (10)")
    parser.add_argument("--warm", type=float, default=2.0, help="seconds before that (2)")
    parser.add_argument("--settle", type=float, default=5.0, help="after the crowd has changed its mind, seconds (5)")
    parser.add_argument("--envelope", type=int, default=300, help="bytes of body and wrap together (300)")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=[], help="only these, by their names")
    parser.add_argument("--directory", type=Path, help="where the relay's state is made (default: the system's)")
    parser.set_defaults(profile=False)
    return parser.parse_args()


def main() -> int:
    """Enrol everybody, measure in turn, and print."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the relay is stopped
    options = _options()
    own_core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {own_core})
    rounds: dict[str, list[dict[str, Any]]] = {"idle": [], "hostile": []}
    with tempfile.TemporaryDirectory(prefix="relayd-bench-", dir=options.directory) as directory:
        print(json.dumps({"case": "machine", **machine.describe(Path(directory))}), flush=True)
        generator = Generator(Path(directory), server_core=RELAY_CORE, own_core=own_core, before_all=True)
        relay = Relay(Path(directory) / "state", RELAY_CORE)
        relay.start()
        crew = Crew(relay.place)
        crew.enrol(2 * options.pairs + VICTIMS + options.peers)
        # Everybody came from one address; from here on the limits are the product's own.
        relay.stop()
        product = LimitsSection()
        registration = {"mode": '"open"', "domains": '["city.example"]', "unit": '"codes.sock"'}
        relay.configure({**{name: getattr(product, name) for name in RAISED}, **registration})
        relay.start()
        first = 2 * options.pairs
        crowd = Crowd(relay, crew.people[first:], first, options.kinds)
        try:
            bench = Bench(relay, crew, generator, machine.Meter(RELAY_CORE, own_core), options)
            felt = Felt(bench, generator, crowd, options)
            for _ in range(options.rounds):
                for state, results in rounds.items():
                    results.append(felt.measured(state))
                    print(json.dumps(results[-1]), flush=True)
        except Exception:
            print(f"the relay's last words:\n{relay.last_words()}", file=sys.stderr)
            raise
        finally:
            crowd.end()
            crew.stop()
            relay.stop()
    said = verdict(rounds)
    print(json.dumps(said), flush=True)
    return int("wrong" in said)


if __name__ == "__main__":
    sys.exit(main())
