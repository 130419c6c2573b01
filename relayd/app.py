"""The relay as a whole: it builds the rooms, joins them, and takes them down in the right order.

A configuration enters; an exit status leaves. The rules of this file: nothing is served before everything is there;
a stop says so to every device and loses nothing that was taken in; a store that cannot be trusted ends the relay
with a status of its own, after which systemd does not try again.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from relayd import exposition, keyring, lifecycle, logs, notices, reload
from relayd.clock import JUMP_MS, SystemClock
from relayd.config import BadConfig, Config, Endpoint, endpoint, load
from relayd.delivery.expiry import expire_forever
from relayd.delivery.hub import Hub
from relayd.domain.refusals import Fault
from relayd.entropy import system_entropy
from relayd.exits import Exit
from relayd.incidents import report
from relayd.keyring import Keyring
from relayd.lifecycle import CannotStart, Pulse, collect_forever, collect_little
from relayd.metrics import Counters
from relayd.net import listener, operator
from relayd.net.agenda import Agenda
from relayd.net.listener import Listener
from relayd.net.operator import OperatorListener
from relayd.net.ops import OpsListener, Pages
from relayd.net.rooms import Rooms, furnish
from relayd.net.turn import Turn
from relayd.notices import Notifier
from relayd.observe import observe_forever
from relayd.services import retention
from relayd.services.domains import Domains
from relayd.services.intervening import Intervening
from relayd.services.operator import Operator
from relayd.services.outside import Outside
from relayd.services.witness import Witness
from relayd.store import Ears, Store
from relayproto import __version__, descriptor
from relayproto.codes import Class, Suite
from relayproto.primitives import Entropy

DEVICES: Final = "devices"
OPERATIONS: Final = "operations"
"""The names of the sockets in systemd's units, and of the settings that take their place."""

_WARN_DAYS: Final = 30
"""The overlap of two relay keys: the next one must be signed before this begins."""
_DRAIN_MORE_S: Final = 15.0
"""After the drain the store is closed: its log is copied into its file."""
_FAILED_DRAIN_S: Final = 1.0
"""After a failure nobody's submission can be settled: say goodbye and go."""
_DAY_MS: Final = 86_400_000

_log = logs.get_logger("app")


def bound(place: Endpoint) -> list[socket.socket]:
    """Return listening sockets; CannotStart where they cannot be had."""
    try:
        return listener.bind(*place)
    except OSError as error:
        raise CannotStart(
            f"cannot listen on {place}: {error.strerror}; change [listen] or stop what is there"
        ) from None


def suites(config: Config) -> frozenset[Suite]:
    """Return the handshakes that devices may choose."""
    return frozenset({Suite.HYBRID, Suite.PLAIN_XK} if config.protocol.allow_plain_xk else {Suite.HYBRID})


class App:
    """One relay, from its start to its exit status."""

    __slots__ = ("_clock", "_config", "_counters", "_devices", "_entropy", "_keys", "_limiter", "_notifier",
                 "_stop")  # fmt: skip

    def __init__(
        self, config: Config, keys: Keyring, *, clock: SystemClock, entropy: Entropy, notifier: Notifier,
        limiter: logs.Limiter | None = None,
    ) -> None:  # fmt: skip
        """Take everything that comes from outside; nothing is opened yet."""
        self._config = config
        self._keys = keys
        self._clock = clock
        self._entropy = entropy
        self._notifier = notifier
        self._limiter = limiter or logs.Limiter(clock.monotonic)
        self._counters = Counters()
        self._stop = asyncio.Event()
        self._devices: Listener | None = None

    def unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Report what a callback of the loop raised: the last border of our own mistakes."""
        error = context.get("exception")
        if not isinstance(error, Exception):
            error = RuntimeError(context["message"])
        report(error, where="loop", counters=self._counters, entropy=self._entropy)

    def reload(self, path: Path | None) -> None:
        """Read the configuration again. What counts at once is in force; a bad one changes nothing and is told."""
        if path is None:
            _log.warning("there is no configuration file to read again")
            return
        self._notifier.reloading(self._clock.monotonic())
        try:
            new = affordable(load(path))
        except BadConfig as error:
            _log.error("the configuration is bad, the one in force stays", reason=str(error))
            self._notifier.ready(f"the configuration is bad, the one in force stays: {error}")
            return
        found = reload.changes(self._config, new)
        self._config = reload.merged(self._config, new)
        self._set_level(self._config.logs.level)
        _log.warning("reloaded", now=found.now, at_restart=found.at_restart)
        self._notifier.ready(f"reloaded; {found}")

    def _set_level(self, level: str) -> None:
        logs.configure(sys.stdout, level, self._limiter)

    def stop(self) -> None:
        """Begin to drain."""
        self._stop.set()

    async def run(self, inherited: Mapping[str, socket.socket]) -> Exit:
        """Serve until a signal or a failure; return the exit status. ``inherited`` are systemd's sockets by name.

        Raises Fatal where the store cannot be opened, CannotStart where something else is missing.
        """
        hub, agenda = Hub(), Agenda(asyncio.get_running_loop().call_soon)
        turn = Turn(self._clock, agenda.soon)
        async with self._notifier.starting("opening and checking the store"):
            store = await self._open(hub, turn)
        try:
            status = await self._serve(store, hub, agenda, turn, inherited)
        finally:
            await store.close()
        return Exit.FATAL if store.fatal.done() else status

    async def _open(self, hub: Hub, turn: Turn) -> Store:
        keys, config = self._keys, self._config
        store = await Store.open(
            config.state_directory, settings=config.store, master_key=keys.master_key, stamp_seed=keys.stamp_seed,
            relay_id=keys.relay_id, moderators=keys.moderators, retention_days=config.tracing.retention_days,
            audit_days=config.audit.retention_days, statistics_days=config.statistics.retention_days,
            root_key=descriptor.root_key(keys.newest), limits=config.limits, lifetimes=config.lifetimes,
            clock=self._clock, entropy=self._entropy, counters=self._counters,
            ears=Ears(hub.wake, hub.explain, hub.say, hub.announce, hub.listening, turn.speak),
        )  # fmt: skip
        self._clock.raise_to(store.high_water_ms)
        return store

    async def _serve(
        self, store: Store, hub: Hub, agenda: Agenda, turn: Turn, inherited: Mapping[str, socket.socket]
    ) -> Exit:
        keys, config = self._keys, self._config
        self._settle_figures()
        resolver = config.resolver_socket
        rooms = furnish(
            store=store, hub=hub, agenda=agenda, turn=turn, clock=self._clock, entropy=self._entropy,
            counters=self._counters, limits=config.limits, keys=keys.private, suites=suites(config),
            descriptor=keys.newest, descriptors=keys.descriptors, moderated=bool(keys.moderators),
            kept=retention.in_force(config),
            domains=None if resolver is None else Domains(Outside(resolver)), registration=config.registration,
            codes=None if config.code_socket is None else Outside(config.code_socket),
        )  # fmt: skip
        devices = self._devices = Listener(rooms)
        pulse = Pulse(
            store.probe, alive=self._notifier.alive, clock=self._clock, counters=self._counters, refusals=(Fault,)
        )
        pages = Pages(
            exposition.exposition(self._counters, __version__, lambda: self._refresh(store, rooms, pulse)),
            exposition.CONTENT_TYPE,
            lambda: self._reasons(pulse),
        )
        operations = OpsListener(pages)
        intervening = Intervening(
            store, hub, devices, self._counters, half_open=lambda: rooms.admission.half_open,
            set_level=self._set_level,
        )  # fmt: skip
        line = rooms.desk.registration.line
        verbs = Operator(
            store, clock=self._clock, confirm=self._clock.confirm, counters=self._counters,
            endpoint=config.relay.endpoint, descriptor=keys.newest, intervening=intervening,
            codes_failing=None if config.registration.mode == "closed" else lambda: line.failing,
        )  # fmt: skip
        local = OperatorListener(verbs, counters=self._counters, entropy=self._entropy)
        async with contextlib.AsyncExitStack() as down:
            served = await _start(operations, self._sockets(OPERATIONS, inherited))
            down.callback(operations.close)
            await local.start(_bound_operator(config))
            down.callback(_forget, config.operator_socket)
            down.push_async_callback(local.close)
            reached = await _start(devices, self._sockets(DEVICES, inherited))
            self._ready(devices=reached, operations=served)
            return await self._until_the_end(store, devices, pulse, hub)

    def _witness(self, store: Store) -> Witness:
        keys, carrier = self._keys, self._config.carrier_socket
        newest = descriptor.read(keys.newest, keys.root_fingerprint)
        return Witness(
            store, None if carrier is None else Outside(carrier), self._counters, relay=keys.root_fingerprint,
            key_id=newest.key_id,
        )  # fmt: skip

    def _sockets(self, name: str, inherited: Mapping[str, socket.socket]) -> list[socket.socket]:
        if name in inherited:
            return [inherited[name]]
        return bound(endpoint(self._config.listen.devices if name == DEVICES else self._config.listen.operations))

    def _reasons(self, pulse: Pulse) -> list[str]:
        draining = self._devices is not None and self._devices.draining
        return ["draining"] if draining else pulse.reasons()

    def _ready(self, *, devices: list[str], operations: list[str]) -> None:
        left_days = (self._keys.not_after_ms - self._clock.now_ms()) // _DAY_MS
        if left_days < _WARN_DAYS:
            _log.warning("the relay key ends soon; the offline root must sign a new one", days=left_days)
        collect_little()
        _log.info("ready", devices=devices, operations=operations, version=__version__)
        self._notifier.ready(f"serving devices on {', '.join(devices)}")

    async def _until_the_end(self, store: Store, devices: Listener, pulse: Pulse, hub: Hub) -> Exit:
        """Keep everything going until a signal, a fatal store or a bug; drain; return the exit status."""
        loop = asyncio.get_running_loop()
        background = [
            loop.create_task(self._witness(store).run()),
            loop.create_task(expire_forever(store)),
            loop.create_task(self._beat(pulse)),
            loop.create_task(self._observe(store, hub)),
            loop.create_task(collect_forever()),
        ]
        stop = loop.create_task(self._stop.wait())
        awaited: set[asyncio.Future[Any]] = {stop, store.fatal, *background}
        ended, _ = await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        status = self._status(store, {task for task in ended if task in background})
        devices.draining = True
        self._notifier.stopping(self._config.limits.drain_timeout_s + _DRAIN_MORE_S)
        _log.info("draining", connections=len(devices))
        await devices.drain(self._config.limits.drain_timeout_s if status is Exit.OK else _FAILED_DRAIN_S)
        for task in (stop, *background):
            task.cancel()
        await asyncio.gather(stop, *background, return_exceptions=True)
        _log.info("stopped", status=int(status))
        if store.fatal.done():
            self._notifier.failed(str(store.fatal.result()))
        return status

    def _status(self, store: Store, failed: set[asyncio.Task[None]]) -> Exit:
        """Return the exit status of the end that has come, and log its reason."""
        if store.fatal.done():
            _log.critical("the store cannot be trusted", reason=str(store.fatal.result()))
            return Exit.FATAL
        for task in failed:
            error = task.exception()
            if isinstance(error, Exception):
                report(error, where="background", counters=self._counters, entropy=self._entropy)
        return Exit.SOFTWARE if failed else Exit.OK

    def _settle_figures(self) -> None:
        """Set what stays as it is, before the first scrape."""
        counters, config = self._counters, self._config
        counters.started_ms, counters.key_end_ms = self._clock.wall_ms(), self._keys.not_after_ms
        counters.connections_limit = config.limits.connections_max
        counters.intake_limit = config.limits.intake_messages_max
        counters.lifetimes_s = Counter({class_: config.lifetimes.longest_s(class_) for class_ in Class})

    async def _observe(self, store: Store, hub: Hub) -> None:
        counters, config = self._counters, self._config

        async def looks(census: bool) -> None:  # noqa: FBT001 - called by position, by one caller
            await store.observe(census=census)
            await hub.survey(counters)

        await observe_forever(looks, state=config.state_directory, counters=counters, passing=(Fault,))

    def _refresh(self, store: Store, rooms: Rooms, pulse: Pulse) -> None:
        """Set what is looked at in the moment of a scrape."""
        counters = self._counters
        store.count_intake()
        counters.half_open = rooms.admission.half_open
        counters.ready = int(not self._reasons(pulse))
        self._clock.now_ms()
        counters.wall_ms, counters.clock_behind_ms = self._clock.wall_ms(), self._clock.behind_ms

    async def _beat(self, pulse: Pulse) -> None:
        told_at, behind = self._clock.monotonic(), False
        while True:
            await pulse.beat()
            self._limiter.tell()
            if self._clock.monotonic() >= told_at + notices.TELL_EVERY_S:
                told_at = self._clock.monotonic()
                self._notifier.standing(notices.standing(self._counters, self._reasons(pulse)))
            behind = self._look_at_the_clock(behind=behind)

    def _look_at_the_clock(self, *, behind: bool) -> bool:
        """Say once that the wall clock was turned; return whether it is behind relay time now."""
        self._clock.now_ms()  # an idle relay looks at the wall clock here alone
        jumped, self._counters.clock_ahead_ms = self._counters.clock_ahead_ms, self._clock.ahead_ms
        if self._clock.ahead_ms and not jumped:
            _log.error(
                "the clock jumped ahead; nothing expires by it until relayd confirm-clock",
                ahead_ms=self._clock.ahead_ms,
            )
        behind_ms = self._clock.behind_ms
        if behind_ms > JUMP_MS and not behind:
            _log.error(
                "the clock is behind the relay's time, which goes on from where it was; put the clock right",
                behind_ms=behind_ms,
            )
        return behind_ms > JUMP_MS


async def _start(opened: Listener | OpsListener, sockets: list[socket.socket]) -> list[str]:
    """Serve on the sockets and return where that is."""
    places = [str(Endpoint(*each.getsockname()[:2])) for each in sockets]
    await opened.start(sockets)
    return places


def _forget(operator_socket: Path) -> None:
    # On a disk that can only be read any more it stays; the next start replaces it, and the reason for the end counts.
    with contextlib.suppress(OSError):
        operator_socket.unlink(missing_ok=True)


def _bound_operator(config: Config) -> socket.socket:
    try:
        return operator.bind(config.operator_socket)
    except OSError as error:
        raise CannotStart(f"cannot listen on {config.operator_socket}: {error.strerror}; see listen.operator") from None


def named(inherited: dict[str, socket.socket]) -> dict[str, socket.socket]:
    """Return systemd's sockets; CannotStart where one has a name that means nothing here."""
    for name in inherited.keys() - {DEVICES, OPERATIONS}:
        raise CannotStart(f"a socket was handed over as {name!r}; FileDescriptorName= is {DEVICES} or {OPERATIONS}")
    return inherited


def affordable(config: Config) -> Config:
    """Return the configuration with as many connections as this process may have open files for."""
    wanted = config.limits.connections_max + lifecycle.DESCRIPTORS_KEPT
    left = lifecycle.allow_descriptors(wanted) - lifecycle.DESCRIPTORS_KEPT
    if left >= config.limits.connections_max:
        return config
    _log.warning(
        "the limit of open files allows fewer connections than limits.connections_max",
        connections_max=max(1, left),
        wanted=config.limits.connections_max,
    )
    limits = msgspec.structs.replace(config.limits, connections_max=max(1, left))
    return msgspec.structs.replace(config, limits=limits)


async def _run(
    config: Config, keys: Keyring, path: Path | None, notifier: Notifier, limiter: logs.Limiter | None = None
) -> Exit:
    inherited = named(lifecycle.inherited_sockets())
    app = App(config, keys, clock=SystemClock(), entropy=system_entropy, notifier=notifier, limiter=limiter)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(app.unhandled)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, app.stop)
    loop.add_signal_handler(signal.SIGHUP, app.reload, path)
    return await app.run(inherited)


def serve(config: Config, path: Path | None = None, notifier: Notifier | None = None) -> Exit:
    """Run the relay in this process and return its exit status. Raises BadKeys, CannotStart, Fatal.

    ``path`` is the file that SIGHUP reads again.
    """
    os.umask(0o077)
    lifecycle.without_core_dumps()
    lifecycle.switch_threads_soon()
    limiter = logs.Limiter(SystemClock().monotonic)
    logs.configure(sys.stdout, config.logs.level, limiter)
    keys = keyring.load(config.state_directory, SystemClock().now_ms())
    if (config.state_directory / keyring.OFFLINE_ROOT).exists():
        _log.warning("the key of the offline root is still here; move it to a machine without a network")
    held = lifecycle.claim(config.state_directory)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(affordable(config), keys, path, notifier or Notifier(), limiter))
    finally:
        os.close(held)
