"""What stands between a simulated world and the programs in it: everything passes by the world's truth.

A world enters; for a block, the relay's and the device's own classes tell it what they commit, tell and send, and have
its loop, disk and randomness. The rule of this file: what is put in place does what was there, and looks.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

import structlog
from nacl import bindings

import relayclient.client
import relayclient.store.database
import relayd.lifecycle
import relayd.store.database
import relayd.store.engine
import relayd.store.opening
from relayd.delivery.pump import Pump
from relayd.net.router import Router
from relayd.store.writer import Writer
from relayproto import frame, message
from relayproto.notices import Deliver, Outcome
from relayproto.primitives import MlKem768
from sim import disk
from sim.checkers import expect
from sim.kem import stand_in
from sim.world import World

VERIFIED_MAX = 4_096
_OF_LANES = {Deliver.KIND: Deliver, Outcome.KIND: Outcome}


@contextlib.contextmanager
def watched(world: World) -> Iterator[None]:
    """Let everything that the relay and devices are made of pass by the world's truth, for the block."""
    logged = structlog.get_config()
    structlog.configure(processors=[functools.partial(_logged, world)])
    still = SimpleNamespace(collect=lambda *_: 0, freeze=lambda: None, set_threshold=lambda *_: None)
    with contextlib.ExitStack() as patched:
        patched.callback(structlog.configure, **logged)
        for target, name, value in (
            *_of_the_relay(world), (relayd.store.opening, "Thread", disk.VirtualThread),
            (relayd.store.database, "sqlite3", disk.sqlite), (relayclient.store.database, "sqlite3", disk.sqlite),
            (relayd.lifecycle, "gc", still), (relayclient.client, "WINDOW", world.settings.window),
            (bindings, "crypto_sign_open", _remembering(bindings.crypto_sign_open)),
            *((MlKem768, name, method) for name, method in stand_in(world.kem_entropy).items()),
        ):  # fmt: skip
            patched.enter_context(mock.patch.object(target, name, value))
        try:
            yield
        finally:
            for process in [world.relay.process, *(phone.process for phone in world.phones)]:
                if process is not None:
                    world.loop.end(process)
            world.loop.bury()


def _of_the_relay(world: World) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """Yield what looks at commits, at what is told of them, and at what is written to devices."""
    truth = world.truth
    run, tell, fill, made = Writer.run, relayd.store.engine.tell, Pump.fill, Router.__init__
    routers: dict[int, tuple[Router, dict[int, int]]] = {}

    def committed(writer, db, works, now_ms, *, disk_tight):
        done = run(writer, db, works, now_ms, disk_tight=disk_tight)
        truth.commit(db, works, done, now_ms)
        envelopes = sum(len(one.placements) for one in done.accepted)
        world.say(f"commit of {len(works)}: {envelopes} envelopes, {len(done.told)} outcomes")
        return done

    def told(done, *others):
        truth.told(done)
        tell(done, *others)

    def router(self, seat, pump, *others):
        made(self, seat, pump, *others)
        routers[id(pump)] = (self, {})

    def filled(pump, octets, now_ms, now):
        frames = fill(pump, octets, now_ms, now)
        of, cursors = routers[id(pump)]
        for each in frames:
            kind = frame.decode(each).kind
            if kind in _OF_LANES:
                sent = message.read(_OF_LANES[kind], each)
                truth.sent(of.seat.row, pump._epoch, cursors, sent, now_ms)
        window = pump._window
        expect(window._messages <= window._granted.messages, 9, "more was sent than was granted")
        return frames

    yield Writer, "run", committed
    yield relayd.store.engine, "tell", told
    yield Router, "__init__", router
    yield Pump, "fill", filled


def _remembering(verify: Callable[[bytes, bytes], bytes]) -> Callable[[bytes, bytes], bytes]:
    """Return what verifies as well, and less often: the same papers are shown again and again."""
    signed: dict[bytes, bytes] = {}

    def verified(octets: bytes, public: bytes) -> bytes:
        key = public + octets
        if key not in signed:
            if len(signed) >= VERIFIED_MAX:
                signed.clear()
            signed[key] = verify(octets, public)
        return signed[key]

    return verified


def _logged(world: World, _logger: object, method: str, event: dict[str, Any]) -> dict[str, Any]:
    error = event.get("exc_info")
    if event["event"] == "incident":
        world.found(f"incident in {event.get('where')}", error)
    elif method != "debug":
        world.lines.append(f"{world.loop.now:.6f}   log: {event['event']} {event.get('reason', '')}")
    raise structlog.DropEvent
