"""The relay and other servers on the same cases in one call: ``make bench-peers``.

JSON lines of every run go to standard output, one table of medians and ratios to standard error.
"""

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import machine
import plot
from debian import Missing
from generator import Flow, Generator, Run, fullness
from jetstream import JetStream, JetStreamAlways
from mosquitto import Mosquitto
from ours import Ours
from peer import Peer, Refused
from rabbit import RabbitQuorum
from valkey import Valkey, ValkeyAlways
from xmpp import Ejabberd, Prosody

PEERS: Sequence[type[Peer]] = (
    Mosquitto, Ejabberd, Prosody, JetStream, JetStreamAlways, Valkey, ValkeyAlways, RabbitQuorum
)  # fmt: skip
CASES = ("A", "A1", "A2", "B", "C", "D")
IDLE_S = 1.0
SERVER_CORE = 0
Result = dict[str, Any]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare the relay with other servers; bench/README.md says how.")
    parser.add_argument("--runs", type=int, default=5, help="of each, in turn; medians are told (5)")
    parser.add_argument(
        "--peers", default="", help="only those whose names contain one of these, for example nats,valkey"
    )
    parser.add_argument("--pairs", type=int, default=100, help="pairs in A, A2, B and C (100)")
    parser.add_argument("--window", type=int, default=32, help="messages in flight of each pair in A and B (32)")
    parser.add_argument("--pairs1", type=int, default=500, help="pairs in A1, one message in flight each (500)")
    parser.add_argument("--rate", type=float, default=1000.0, help="messages a second in A2 (1000)")
    parser.add_argument("--each", type=int, default=1000, help="messages for each recipient in B and C (1000)")
    parser.add_argument("--envelope", type=int, default=300, help="bytes of a message (300)")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long A, A1 and A2 are measured (5)")
    parser.add_argument("--warm", type=float, default=1.0, help="seconds before that (1)")
    parser.add_argument("--directory", type=Path, help="where the servers' states are made (default: the system's)")
    parser.add_argument("--packages", type=Path, default=Path(".venv/peers"), help="where packages are unpacked")
    parser.add_argument("--plot", type=Path, help="write the medians of A as a picture (SVG) too")
    return parser.parse_args()


def _runs(peer: Peer | Ours, options: argparse.Namespace) -> Iterator[tuple[str, Callable[[], Run]]]:
    """Yield the cases of one server in their order; each is made ready only when it is its turn."""
    payload = peer.payload(options.envelope)
    timed: dict[str, Any] = {"wire": peer.wire, "payload": payload, "warm_s": options.warm, "seconds": options.seconds}
    each = max(round(options.each * peer.share), 1)
    filled: dict[str, Any] = {"wire": peer.wire, "payload": payload}
    yield "A", lambda: Run(peer.pairs(options.pairs), (Flow(options.window),), **timed)
    yield "A1", lambda: Run(peer.pairs(options.pairs1), (Flow(1),), **timed)
    yield "A2", lambda: Run(peer.pairs(options.pairs), (Flow(rate=options.rate),), **timed)
    yield (
        "B",
        lambda: Run(peer.pairs(options.pairs, offline=True, each=each), (Flow(options.window),), **filled),
    )
    yield "C", lambda: Run(peer.waiting(options.pairs, each), **filled)


def measured(peer: Peer | Ours, generator: Generator, options: argparse.Namespace) -> Iterator[Result]:
    """Start a server, take every case once, stop it."""
    try:
        peer.start()
        peer.prepare(max(options.pairs, options.pairs1))
        yield _idle(peer, options.pairs1)
        for case, made in _runs(peer, options):
            if case != "C":
                peer.turn()
            run = made()
            result = generator.run(run, peer.pid)
            peer.ended(run, result)
            yield _told(peer.name, case, result)
    finally:
        peer.stop()


def _idle(peer: Peer | Ours, count: int) -> Result:
    """Case D: what the server's memory grows by for each connection that is logged in and does nothing."""
    time.sleep(IDLE_S)
    before = machine.resident_bytes(peer.pid)
    links = peer.idle(count)
    time.sleep(IDLE_S)
    grown = machine.resident_bytes(peer.pid) - before
    for link in links:
        link.handed_over()
    time.sleep(IDLE_S)
    return {"server": peer.name, "case": "D", "bytes": round(grown / count), "connections": count}


def _told(name: str, case: str, result: Result) -> Result:
    flow = result["flows"][0]
    count = flow["count"]
    told: Result = {"server": name, "case": case, "per_s": round(count / result["seconds"])}
    told["server_us_each"] = round(result["relay_s"] / max(count, 1) * 1e6, 2)
    told |= {key: flow[key] for key in flow if "_ms_" in key}
    told |= {"server_cpu": result["relay_cpu"], "generator_cpu": result["generator_cpu"]}
    told |= fullness(result["generator_cpu"], result["generator_core_busy"])
    found = {**result["troubles"], **{key: flow[key] for key in ("lost", "skipped") if flow[key]}}
    return {**told, **({"wrong": found} if found else {})}


def _figure(results: Sequence[Result], name: str, case: str) -> float | None:
    """Return the median of what a case is about: a rate; A2 the p50 of complete, ms; D bytes."""
    key = {"A2": "complete_ms_p50", "D": "bytes"}.get(case, "per_s")
    found = [each[key] for each in results if each["server"] == name and each["case"] == case and key in each]
    return statistics.median(found) if found else None


def _cell(results: Sequence[Result], name: str, case: str) -> str:
    theirs, relay = _figure(results, name, case), _figure(results, Ours.name, case)
    if theirs is None:
        return "-"
    said = {"A2": f"{theirs:.2f} ms", "D": f"{theirs / 1024:.1f} KB"}.get(case, f"{theirs:,.0f}/s")
    return f"{theirs / relay:.2f} ({said})" if relay else said


def table(results: Sequence[Result], durabilities: dict[str, str], missing: dict[str, str], runs: int) -> str:
    """Return the one table: each figure as a ratio to the relay's, the figure itself in brackets."""
    titles = ("A online", "A1 one in flight", "A2 complete p50", "B enqueue", "C drain", "D idle connection")
    lines = [f"medians of {runs} runs; ratio to {Ours.name} (figure). A2 and D: below 1 is better; others: above 1."]
    lines.append(f"{'server':<34}" + "".join(f"{title:>22}" for title in titles) + "  acknowledged means")
    for name, durability in durabilities.items():
        if name in missing:
            continue
        cells = "".join(f"{_cell(results, name, case):>22}" for case in CASES)
        lines.append(f"{name:<34}{cells}  {durability}")
    lines += [f"{name:<34}  not measured: {reason}" for name, reason in missing.items()]
    wrong = sorted({f"{each['server']}, {each['case']}: {each['wrong']}" for each in results if "wrong" in each})
    full = sorted({each["server"] for each in results if each.get("generator_is_bottleneck")})
    return "\n".join([*lines, *(f"WRONG {line}" for line in wrong), *(f"generator was full: {name}" for name in full)])


def _chosen(options: argparse.Namespace, state: Path, missing: dict[str, str]) -> list[Peer]:
    wanted = [part.strip().lower() for part in options.peers.split(",") if part.strip()]
    chosen = []
    for number, kind in enumerate(PEERS):
        if wanted and not any(part in kind.name.lower() for part in wanted):
            continue
        try:
            chosen.append(kind(options.packages.absolute(), state / f"peer{number}", SERVER_CORE))
        except (Missing, OSError) as error:
            missing[kind.name] = str(error)
    return chosen


def main() -> int:
    """Measure all in turn, so often, and print."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that servers are stopped
    options = _options()
    own_core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {own_core})
    results: list[Result] = []
    missing: dict[str, str] = {}
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="relayd-bench-", dir=options.directory) as directory:
        state = Path(directory)
        print(json.dumps({"case": "machine", **machine.describe(state), "generator_core": own_core}), flush=True)
        generator = Generator(state, server_core=SERVER_CORE, own_core=own_core)
        peers = _chosen(options, state, missing)
        relay = Ours(state / "ours", SERVER_CORE, options.envelope)
        servers: list[Peer | Ours] = [relay, *peers]
        try:
            for number, server in [(number, server) for number in range(options.runs) for server in servers]:
                if server.name in missing:
                    continue
                try:
                    for result in measured(server, generator, options):
                        results.append(result)
                        print(json.dumps({"run": number + 1, **result}), flush=True)
                except (Refused, OSError, RuntimeError, ValueError) as error:
                    missing[server.name] = f"{type(error).__name__}: {error}"
        finally:
            relay.close()
        durabilities = {server.name: server.durability for server in servers}
    print(table(results, durabilities, missing, options.runs), file=sys.stderr)
    print(f"took {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    if options.plot:
        rows = [(name, found, f"{found:,.0f}/s; {said}") for name, said in durabilities.items()
                if (found := _figure(results, name, "A"))]  # fmt: skip
        options.plot.write_text(plot.picture("Online messages a second, and what acknowledged means", rows))
    return int(any("wrong" in each for each in results))


if __name__ == "__main__":
    sys.exit(main())
