"""How a simulated world ends: nothing fails any more, everybody gets everything, and all is compared.

A world enters; Broken leaves where somebody waits for ever, has something twice or not at all, or where something is
left in the relay's memory when everybody has gone. The rule of this file: what excuses a text is named, and is written
in docs/reliability.md.
"""

from collections import Counter
from typing import Any

from relayclient.events import MessageState
from relayd.clock import JUMP_MS
from relayd.store import whole
from sim.arrivals import let_in
from sim.checkers import expect
from sim.machines import START_MS, Phone
from sim.world import Text, World

SETTLE_TURNS = 4
SOON_TURNS = 15
"""After so many turns of a second time goes by in leaps, and after so many more in larger ones."""
PATIENCE_S = 7_200.0
"""How long, at most, it takes from when nothing fails any more until everybody has everything."""
_UNANSWERED = "SELECT count(*) FROM submission WHERE sealed_frame IS NOT NULL"
_UNDER_WAY = (
    "SELECT state, account FROM message"
    " WHERE (is_text AND state IN ('queued', 'accepted')) OR (expires_ms > ?"
    " AND EXISTS (SELECT 1 FROM parcel WHERE parcel.message = message.row AND parcel.state IN (0, 1) AND NOT own))"
)
"""Texts without an end, and whatever else waits for the relay to take it."""


def heal(world: World) -> None:
    """Let nothing fail any more, and everybody get everything."""
    world.say("nothing fails any more")
    _mend(world)
    until = world.loop.now + PATIENCE_S
    turn = 0
    while True:
        if world.relay.app is not None:
            world.relay.app._clock.confirm()
        for phone in world.phones:
            if phone.lives and not phone.online:
                phone.start()
        world.run(1.0)
        for old, _ in list(world.unfinished.values()):
            # Until it is done or taken back nobody can write to them all.
            let_in(world, old)
        waits = unsettled(world)
        if not waits:
            break
        expect(world.loop.now < until, "liveness", f"two hours, and this still waits: {'; '.join(waits[:4])}")
        turn += 1
        if turn >= SETTLE_TURNS:
            world.leap(30.0 if turn < SOON_TURNS else 120.0)
    world.say("all is quiet")


def _mend(world: World) -> None:
    """Take back whatever was done to disks, clocks, processes and links."""
    world.network.down = False
    world.relay.disk.disarm()
    # To put a clock right that is ahead is to turn it back: relay time waits for it.
    world.relay.turned_back |= world.relay.turned_ms > 0
    world.relay.turned_ms = 0
    for phone in world.phones:
        phone.disk.disarm()
        phone.turned_s = 0.0
    for process in [world.relay.process, *(phone.process for phone in world.phones)]:
        if process is not None and process.stopped:
            world.loop.go_on(process)
    world.network.delays, world.relay.disk.slow_s = (0.0, 0.02), 0.0
    for link in world.network.links:
        world.network.flow(link)


def _left(world: World, phone: Phone) -> int:
    """Count submissions without an answer and messages without an end, but for what waits for nobody who lives."""
    sql, owners = phone.device._store._sql, {each.owner for each in world.phones if each.lives}
    found = sql.execute(_UNDER_WAY, (phone.client.now_ms(),)).fetchall()
    sent = sum(1 for state, _ in found if state != "accepted")
    # An outcome that has expired at the relay never comes.
    accepted = sum(1 for state, account in found if state == "accepted" and world.accounts.get(account) in owners)
    return sent + max(0, accepted - len(phone.outcomes_lost)) + sql.execute(_UNANSWERED).fetchone()[0]


def unsettled(world: World) -> list[str]:
    """Return what is still under way."""
    if not world.relay.serves:
        return ["the relay does not run"]
    waits = []
    for phone in world.phones:
        if not phone.lives:
            continue
        exchange = phone.client._exchange if phone.client is not None else None
        if exchange is None or not exchange.open:
            waits.append(f"{phone} is not connected")
        elif exchange._asked or phone.device._link.held:
            waits.append(f"{phone} has asked something")
        elif left := _left(world, phone):
            waits.append(f"{phone} has {left} waiting or under way")
    living = {phone.row for phone in world.phones if phone.lives}
    queued = sum(1 for name, _ in world.truth.rows if name >> 2 in living)
    if queued:
        waits.append(f"{queued} rows are queued")
    return waits


def judge(world: World) -> None:
    """Compare what people wrote with what became of it, now that all is quiet."""
    inboxes = {}
    for phone in world.phones:
        if phone.device is not None:
            texts = [each.text for each in phone.device.inbox(10_000)]
            expect(len(texts) == len(set(texts)), 1, f"a text is twice in the inbox of {phone}")
            inboxes[phone.name] = set(texts)
    owners = {phone.sender[0] for phone in world.phones if phone.lives}
    back = [who for who in world.truth.returned & set(world.truth.devices.values()) if who[0] in owners]
    expect(not back, "removed", f"{back} had been removed, came back with an older copy, and is still a device")
    for text in world.texts.values():
        phone = text.phone
        if text.message is not None and phone.lives and phone.device is not None and not phone.went_back:
            _judge(world, text, inboxes)


def _judge(world: World, text: Text, inboxes: dict[str, set[str]]) -> None:
    number = text.text.split(" ", 1)[0]
    found = text.phone.device.state_of(text.message)
    expect(found is not None, 1, f"{number} is forgotten")
    state, code = found
    world.count(f"texts ended {state.value}")
    # Clocks that ran ahead when a program started are believed (docs/reliability.md).
    ahead_s = max(phone.ahead_s for phone in world.phones if phone.owner in {text.to, text.phone.owner})
    # Where the relay waits for its wall clock, a device's goes on: it may drop early what the relay still has.
    ahead_s += JUMP_MS / 1000 * world.relay.turned_back
    short = text.ends_ms <= max(world.relay.app._clock.now_ms(), START_MS + int((world.loop.now + ahead_s) * 1000))
    refused = (text.to, text.phone.owner) in world.ever_blocked
    # Who has blocked somebody is nobody whom that one could ask for keys.
    shunned = (text.phone.owner, text.to) in world.ever_blocked
    backwards = any(phone.went_back for phone in world.phones if phone.owner in {text.to, text.phone.owner})
    living = [phone for phone in world.phones_of(text.to) if phone.name in text.expected]
    has = [phone for phone in living if text.text in inboxes.get(phone.name, ())]
    what = f"{number} from {text.phone} to {text.to} is {state.value} {code or ''}"
    excused = short or refused or shunned or backwards or not living
    if state in {MessageState.DELIVERED, MessageState.READ}:
        restored = text.queued <= world.restored_at
        # The device that had it was removed, and what waited for the others is not in the copy.
        expect(has or excused or (restored and text.shown), 1, f"{what}, and nobody has it")
        expect(len(has) == len(living) or excused or restored, 1, f"{what}, and not all devices have it")
    else:
        reasons = {
            MessageState.REFUSED: refused, MessageState.UNDECRYPTABLE: shunned, MessageState.EXPIRED: short,
            MessageState.PURGED: shunned or not living, MessageState.ACCEPTED: text.phone.outcomes_lost,
        }  # fmt: skip
        expect(reasons.get(state) or backwards, 19, f"{what}, and nothing speaks for that")


def close(world: World) -> None:
    """Send everybody away, look at what is left in memory, and stop the relay."""
    rooms = world.relay.rooms_now
    _one_connection_each(world, rooms)
    _blocks(world, rooms)
    for phone in world.phones:
        phone.leave()
    world.run(6.0)
    # What is half-open is noticed by a PING without an answer.
    for seconds in (245.0, 65.0, 30.0):
        world.leap(seconds)
        world.run(1.0)
    _registries(world, rooms)
    app = world.relay.app
    world.closing = True
    world.relay.stop()
    world.run(30.0)
    expect(app is not None and world.relay.process is None, "exit", "the relay does not stop")
    _verify(world)


def _one_connection_each(world: World, rooms: Any) -> None:
    """Everybody is here, has everything and has acknowledged it: so much is left of connections, and no more."""
    # Enrolments that were cut off, and connections that were taken over, are over by then.
    world.leap(30.0)
    living = sum(phone.lives for phone in world.phones)
    for _ in range(2):
        # Whose link fell silent may have come anew in this very moment, and the old connection lingers.
        world.run(8.0)
        sessions = len(world.relay.app._devices)
        if sessions <= living:
            break
    # Fewer where a relay died in silence while nothing was said: its device learns it by its next PING.
    expect(sessions <= living, "takeover", f"{living} devices have {sessions} connections")
    expect(len(rooms.hub) == sessions, "takeover", f"{len(rooms.hub)} listen at {sessions} connections")
    # What was sent into silence and has expired meanwhile is not given back before that connection's end.
    silent = any(link.silent and link.open for link in world.network.links)
    for listener in rooms.hub._listeners.values():
        pump = listener.pump
        expect(pump.unacknowledged == 0 and not pump.stuck, 9, f"{pump.unacknowledged} are not acknowledged at the end")
        expect(listener.pending == 0 and not listener._verbs, "memory", "a command waits, and its device does not")
        window = pump._window
        left = window._granted.messages - window._messages
        whole = world.settings.window.messages
        expect(left == whole or silent, 9, f"{left} are left of a window of {whole}")


def _blocks(world: World, rooms: Any) -> None:
    """The relay refuses whom people wish to be refused, and nobody else, whatever copy it came back from."""
    opened = rooms.store._opened
    rows = dict(opened.writer._db.execute("SELECT account, id FROM account"))
    accounts = {owner: account for account, owner in world.accounts.items()}
    # Whose connection died in silence has not met a relay that was restored, and has not told it again.
    here = {listener.seat.account for listener in rooms.hub._listeners.values()}
    for (owner, other), wished in world.blocking.items():
        if any(phone.went_back for phone in world.phones if phone.owner == owner) or accounts[owner] not in rows:
            continue
        if world.restored_at > 0 and accounts[owner] not in here:
            continue
        told = opened.tools.marks.blocked(opened.writer._db, rows[accounts[owner]], accounts[owner], accounts[other])
        expect(told is wished, "blocked", f"{owner} wants {other} refused: {wished}, and the relay refuses: {told}")


def _registries(world: World, rooms: Any) -> None:
    counters = rooms.counters
    for what, size in {
        "sessions": len(world.relay.app._devices), "listeners": len(rooms.hub), "half-open": rooms.admission.half_open,
        "open": rooms.admission._open, "places": len(rooms.admission._by_place), "tasks": len(rooms.tasks),
        "waiting for room": len(rooms.gate._waiting), "speakers": len(rooms.turn._speakers),
        "deadlines": len(rooms.wheel._slots) + len(rooms.wheel._due), "intake": rooms.store._engine.intake.works,
        "intake bytes": rooms.store._engine.intake.octets, "connections": counters.connections_open,
    }.items():  # fmt: skip
        expect(size == 0, "memory", f"{size} {what} are left when everybody has gone")
    queued = Counter(bool(class_) for _, class_ in world.truth.rows.values())
    expect(counters.envelopes_queued == queued[True], 10, "the counter of envelopes is not what a recount gives")
    expect(counters.outcomes_queued == queued[False], 10, "the counter of outcomes is not what a recount gives")


def _verify(world: World) -> None:
    with whole.one_moment(world.relay.state / "relay.db") as db:
        for finding in (whole.pages(db), *whole.rules(db)):
            expect(not finding.wrong, 10, f"{finding.rule}: {finding.first}")
