"""Measure the relay as its users run it: ``make bench``, or one case with ``python bench/run.py --cases A``.

JSON lines go to standard output, a short table to standard error. The exit status is 1 where anything was lost, came
twice or was refused.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import large
import machine
import plot
from cases import EACH_MAX, Bench, Result
from crew import Crew
from generator import Generator
from relay import RAISED, Relay

CASES = ("A", "A1", "A2", "B", "C", "D", "E", "F", "G", "H")
RELAY_CORE = 0


def _cases(text: str) -> set[str]:
    wanted = {part.strip().upper() for part in text.split(",")}
    if not wanted <= set(CASES):
        raise argparse.ArgumentTypeError(f"cases are {', '.join(CASES)}")
    return wanted


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measure a relay on this machine; bench/README.md says what each case is."
    )
    parser.add_argument("--cases", type=_cases, default=set(CASES), help="for example A,B (default: all)")
    parser.add_argument("--pairs", type=int, default=100, help="pairs of devices in A, A2, B and C (100)")
    parser.add_argument("--window", type=int, default=32, help="messages in flight of each pair in A and B (32)")
    parser.add_argument("--pairs1", type=int, default=500, help="pairs in A1, one message in flight each (500)")
    parser.add_argument("--rate", type=float, default=1000.0, help="messages a second in A2 (1000)")
    parser.add_argument(
        "--each", type=int, default=1000, help=f"envelopes for each device in B, at most {EACH_MAX} (1000)"
    )
    parser.add_argument("--idle", type=int, default=2000, help="idle connections in D, logins in E (2000)")
    parser.add_argument("--recipients", type=int, default=50_000, help="recipients of the broadcast in F (50000)")
    parser.add_argument("--online", type=int, default=1000, help="of these, so many are online (1000)")
    parser.add_argument("--codes", type=float, default=100.0, help="one-time codes a second in F (100)")
    parser.add_argument("--queued", type=int, default=1_000_000, help="envelopes that wait in G (1000000)")
    parser.add_argument("--mailboxes", type=int, default=20_000, help="mailboxes that they wait in (20000)")
    parser.add_argument("--envelope", type=int, default=300, help="bytes of body and wrap together (300)")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each rate is measured (8)")
    parser.add_argument("--warm", type=float, default=2.0, help="seconds before that (2)")
    parser.add_argument("--directory", type=Path, help="where the relay's state is made (default: the system's)")
    parser.add_argument("--plot", type=Path, help="write the figures as a picture (SVG) too")
    parser.add_argument("--profile", action="store_true", help="say where the relay's time goes (needs py-spy)")
    options = parser.parse_args()
    options.each = min(options.each, EACH_MAX)
    return options


def _results(bench: Bench, cases: set[str]) -> Iterator[Result]:
    yield from bench.run(cases)
    if "G" in cases:
        yield from large.Million(bench).run()
    if "F" in cases:
        yield from large.codes_and_broadcast(bench)


def _plot(results: list[Result], path: Path) -> None:
    rows = [
        (
            f"{each['case']}: {each['what']}"[:72],
            each["per_s"],
            f"{each['per_s']:,}/s, {each.get('relay_us_each')} us each",
        )
        for each in results
        if each.get("per_s")
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(plot.picture("A second, and the relay's processor time for each", rows), encoding="utf-8")


def _table(results: list[Result]) -> None:
    print(f"\n{'case':<9} {'figure':>14}  {'relay us':>8} {'relay':>6} {'gen.':>5}  what", file=sys.stderr)
    for result in results:
        figure = "-"
        if "per_s" in result:
            figure = f"{result['per_s']:,}/s"
        elif "seconds" in result:
            figure = f"{result['seconds']:.2f} s"
        elif "bytes" in result:
            figure = f"{result['bytes']:,} B"
        cpu, ours = (f"{result[key]} %" if key in result else "-" for key in ("relay_cpu", "generator_cpu"))
        notes = [result["what"]]
        for name, said in (("accepted_ms", "accepted"), ("complete_ms", "complete")):
            if f"{name}_p50" in result:
                notes.append(f"{said} p50 {result[name + '_p50']} p99 {result[name + '_p99']} ms")
        if result.get("generator_is_bottleneck"):
            notes.append("THE GENERATOR IS THE BOTTLENECK")
        elif result.get("generator_core_is_full"):
            notes.append("others used the generator's core")
        if "wrong" in result:
            notes.append(f"WRONG: {result['wrong']}")
        each = result.get("relay_us_each", "-")
        print(f"{result['case']:<9} {figure:>14}  {each:>8} {cpu:>6} {ours:>5}  {'; '.join(notes)}", file=sys.stderr)


def main() -> int:
    """Run the cases and return the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the relay is stopped
    options = _options()
    own_core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {own_core})
    results: list[Result] = []
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="relayd-bench-", dir=options.directory) as directory:
        about = {"case": "machine", **machine.describe(Path(directory)), "generator_core": own_core, "raised": RAISED}
        print(json.dumps(about), flush=True)
        generator = Generator(Path(directory), server_core=RELAY_CORE, own_core=own_core)
        relay = Relay(Path(directory) / "state", RELAY_CORE)
        relay.start()
        crew = Crew(relay.place)
        try:
            meter = machine.Meter(RELAY_CORE, own_core)
            for result in _results(Bench(relay, crew, generator, meter, options), options.cases):
                results.append(result)
                print(json.dumps(result), flush=True)
        except Exception:
            print(f"the relay's last words:\n{relay.last_words()}", file=sys.stderr)
            raise
        finally:
            crew.stop()
            relay.stop()
    _table(results)
    if options.plot:
        _plot(results, options.plot)
    print(f"\nlimits raised: {RAISED}\ntook {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    return int(any("wrong" in result for result in results))


if __name__ == "__main__":
    sys.exit(main())
