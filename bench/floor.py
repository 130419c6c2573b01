"""What a machine costs before the relay does anything: ``python bench/floor.py``, half a minute, one JSON line.

A relay on one core is made of three things, and none of them is the relay's: reading and writing a socket, Python's
own work, and waking up. Each is measured here alone, on the relay's core, with the other end on the generator's.

- ``echo_us``: processor time of 300 bytes that are read and written back, by nothing but epoll, for each number of
  connections that have one such message under way. With one connection both ends sleep between any two.
- ``work_us``: a SUBMIT sealed as its sender does, its record opened, the message read and its answer sealed, by the
  relay's own contract: one after the other, and each after a sleep. What differs is what the machine has forgotten.
- ``call_ns``: an empty function of Python.
"""

import json
import os
import select
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import machine

from relayproto import message
from relayproto.channel import Channel
from relayproto.codes import Class, SubmitFlag
from relayproto.commands import Submit, Target, Wrap
from relayproto.ids import AccountId, DeviceId
from relayproto.noise.cipherstate import CipherState
from relayproto.noise.suites import CHACHAPOLY
from relayproto.replies import Submitted

SECONDS = 2.0
CONNECTIONS = (1, 100, 500)
SLEEPS_MS = (0.0, 0.4, 2.0)
OCTETS = 300
CALLS = 1_000_000
WORKS = 1_500
RELAY_CORE = 0
EVENTS_MAX = 64


def _pairs(count: int) -> list[tuple[socket.socket, socket.socket]]:
    """Return connections over loopback: our end, their end."""
    with socket.create_server(("127.0.0.1", 0), backlog=count) as listening:
        pairs = []
        for _ in range(count):
            theirs = socket.create_connection(listening.getsockname())
            ours, _ = listening.accept()
            for end in (ours, theirs):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pairs.append((ours, theirs))
        return pairs


def _echo(ends: list[socket.socket], until: float) -> int:
    """Write back whatever comes until the time is over; return how often something came."""
    waiting = select.epoll()
    by_number = {end.fileno(): end for end in ends}
    for number in by_number:
        waiting.register(number, select.EPOLLIN)
    came = 0
    while time.monotonic() < until:
        for number, _ in waiting.poll(0.1, EVENTS_MAX):
            end = by_number[number]
            end.send(end.recv(OCTETS))
            came += 1
    waiting.close()
    return came


def echo_us(count: int, other_core: int) -> float:
    """Return the processor time of one echo with so many connections, microseconds, of this process alone."""
    pairs = _pairs(count)
    until = time.monotonic() + SECONDS
    other = os.fork()
    if other == 0:
        os.sched_setaffinity(0, {other_core})
        for _, theirs in pairs:
            theirs.send(bytes(OCTETS))
        _echo([theirs for _, theirs in pairs], until)
        os._exit(0)
    began = time.process_time()
    came = _echo([ours for ours, _ in pairs], until)
    used = time.process_time() - began
    os.waitpid(other, 0)
    for ours, theirs in pairs:
        ours.close()
        theirs.close()
    return round(used / came * 1e6, 1)


def _work() -> Callable[[], None]:
    """Return what opens a record with a SUBMIT and seals its answer."""
    there, here, back = (CipherState(CHACHAPOLY, bytes(32)) for _ in range(3))
    sender, relay = Channel(there, back, bulk=False, now=0.0), Channel(back, here, bulk=False, now=0.0)
    target = Target(AccountId(bytes(32)), 1, (Wrap(DeviceId(1), bytes(100)),))
    said = Submit(1, 0, Class.CHAT, 600, SubmitFlag.NONE, bytes(33), bytes(200), None, (target,), None)
    octets = message.encode(said, 1)

    def once() -> None:
        sender.queue.append(octets)
        record = sender.seal(0.0)
        for _, received in relay.open(record[2:]):
            request, read = message.requested(Submit, received)
            relay.queue.append(message.encode(Submitted(read.submission, (0,), (), 0), request))
        relay.seal(0.0)

    return once


def work_us(sleep_ms: float) -> float:
    """Return the median time of one piece of the relay's own work after so long a sleep, microseconds."""
    once, took = _work(), []
    for _ in range(WORKS):
        if sleep_ms:
            time.sleep(sleep_ms / 1000)
        began = time.perf_counter()
        once()
        took.append(time.perf_counter() - began)
    return round(statistics.median(took) * 1e6, 1)


def call_ns() -> float:
    """Return the time of an empty function, nanoseconds."""

    def nothing() -> None:
        pass

    began = time.perf_counter()
    for _ in range(CALLS):
        nothing()
    return round((time.perf_counter() - began) / CALLS * 1e9, 1)


def main() -> int:
    """Measure and print."""
    other_core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {RELAY_CORE})
    with tempfile.TemporaryDirectory(prefix="relayd-bench-") as directory:
        described = machine.describe(Path(directory))
    measured = {
        "case": "floor",
        "echo_us": {count: echo_us(count, other_core) for count in CONNECTIONS},
        "work_us": {f"after {sleep_ms} ms": work_us(sleep_ms) for sleep_ms in SLEEPS_MS},
        "call_ns": call_ns(),
    }
    print(json.dumps({**described, **measured}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
