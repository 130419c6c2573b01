"""The generator processes: started, given orders, and added up.

One for each core that is not the relay's, pinned to it, up to what was asked for. Orders and results go through a
pipe; between two orders a generator does nothing.
"""

import asyncio
import multiprocessing
import os
from multiprocessing.connection import Connection
from typing import Any

import uvloop
from load import Crew
from machine import Meter, shares
from relay import Place

ORDER_S_MAX = 240.0
"""No case takes longer: its own limits are below this."""
_PEOPLE_EACH = 1_000_000


def _work(pipe: Connection, place: Place, core: int, relay_core: int) -> None:
    """Do what the pipe says until it ends."""
    os.sched_setaffinity(0, {core})
    relay_pid = 0
    crew = Crew(place, lambda: Meter(relay_pid, relay_core, core))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        while True:
            try:
                name, relay_pid, order = pipe.recv()
            except EOFError:
                return
            try:
                pipe.send(runner.run(getattr(crew, name)(**order)))
            except Exception as error:  # noqa: BLE001 - the parent reports it and ends
                pipe.send(RuntimeError(f"{name}: {type(error).__name__}: {error}"))


class Generators:
    """All generator processes."""

    def __init__(self, place: Place, *, cores: list[int], relay_core: int) -> None:
        """Start one on each core."""
        context = multiprocessing.get_context("spawn")
        self._members = []
        for core in cores:
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, place, core, relay_core), daemon=True)
            process.start()
            theirs.close()
            self._members.append((process, ours))

    def begin(self, name: str, relay_pid: int, **order: Any) -> None:
        """Give an order; what it says of people and rates is divided."""
        size = len(self._members)
        for number, (_, pipe) in enumerate(self._members):
            part = {key: value // size for key, value in order.items() if key in {"pairs", "count"}}
            if "rate" in order:
                part["rate"] = order["rate"] / size
            if name == "enrol":
                part["first"] = number * _PEOPLE_EACH
            pipe.send((name, relay_pid, {**order, **part}))

    def result(self) -> dict[str, Any]:
        """Return what came of the order: counts and lists added up, clocks as the first generator read them."""
        results = []
        for _, pipe in self._members:
            if not pipe.poll(ORDER_S_MAX):
                raise RuntimeError(f"a generator did not answer within {ORDER_S_MAX:.0f} s")
            results.append(pipe.recv())
        for result in results:
            if isinstance(result, Exception):
                raise result
        return _added(results)

    def call(self, name: str, relay_pid: int, **order: Any) -> dict[str, Any]:
        """Give an order and wait for its result."""
        self.begin(name, relay_pid, **order)
        return self.result()

    def stop(self) -> None:
        """End all of them."""
        for process, pipe in self._members:
            pipe.close()
            process.join(10)
            if process.is_alive():
                process.terminate()
                process.join(10)


def _added(results: list[dict[str, Any]]) -> dict[str, Any]:
    first, *others = results
    total = dict(first)
    for other in others:
        for key, value in other.items():
            if key == "troubles":
                total[key] = {name: total[key].get(name, 0) + value.get(name, 0) for name in {**total[key], **value}}
            elif isinstance(value, int | list):
                total[key] += value
            elif isinstance(value, float):
                total[key] = max(total[key], value)
    if "begin" in total:
        begin, end = total.pop("begin"), total.pop("end")
        total["seconds"] = end.wall - begin.wall
        total["relay_s"] = end.relay - begin.relay
        total.update(shares(begin, end))
        total["generator_cpu"] = max(shares(each["begin"], each["end"])["generator_cpu"] for each in results)
    return total
