"""Where the relay is killed: every step of the way from a sender's bytes to the outcome's acknowledgement, as data.

A step is a function of the relay's by its dotted name, or the beginning of a statement. Each point says in which act
of the script (``support.kill_script``) it lies and whether what the act asks for is committed there.
"""

from dataclasses import asdict, dataclass

from support.deadly_relay import AFTER, BEFORE

SUBMIT, ACKNOWLEDGE, OUTCOME, EXPIRE, LOG_IN, ENROL = "submit", "acknowledge", "outcome", "expire", "log in", "enrol"

_NET, _STORE, _PUMP = "relayd.net.session.Session", "relayd.store", "relayd.delivery.pump.Pump"
_TAKEN_IN = f"{_STORE}.intake.Intake.submit"
_DECIDED = f"{_STORE}.submissions._decide"
_ACKNOWLEDGED = f"{_STORE}.removals.acknowledge"
_EXPIRED = f"{_STORE}.expiry._expire"
_LET_IN = f"{_STORE}.logins.login"
_ENROLLED = f"{_STORE}.accounts.enrol"
_TOLD = f"{_STORE}.engine.tell"
_WOKEN = "relayd.delivery.hub.Hub.wake"
_WRITTEN = "relayd.net.outbox.Outbox.write"
_BEGIN, _COMMIT = "sql:BEGIN", "sql:COMMIT"


@dataclass(frozen=True)
class Point:
    """One moment: before or after the so-manieth passing of a step, once the steps of ``way`` were passed."""

    act: str
    step: str
    side: str
    committed: bool
    way: tuple[str, ...] = ()
    passing: int = 1

    @property
    def sweep_every_s(self) -> float:
        return 0.05 if self.act == EXPIRE else 1.0

    def plan(self, armed: str) -> dict[str, object]:
        return {**asdict(self), "armed": armed, "sweep_every_s": self.sweep_every_s}

    def __str__(self) -> str:
        count = f", passing {self.passing}" if self.passing > 1 else ""
        return f"{self.act}: {self.side} {self.step}{count}"


def _points(act: str, *steps: tuple[str, tuple[str, ...], int], committed: bool) -> list[Point]:
    """Return the points before steps that follow one another."""
    return [Point(act, step, BEFORE, committed, way, passing) for step, way, passing in steps]


def _commit(act: str, *way: str) -> list[Point]:
    """Return both sides of the commit of what has passed ``way``."""
    return [Point(act, _COMMIT, side, side == AFTER, way) for side in (BEFORE, AFTER)]


SENDING: tuple[Point, ...] = (
    *_points(
        SUBMIT,
        (f"{_NET}.data_received", (), 1),
        ("relayproto.channel.Channel.open", (), 1),
        ("relayproto.message.requested", (), 2),
        (f"{_NET}._work", (), 1),
        ("relayd.net.router.Router.route", (), 2),
        ("relayd.services.messages.Messages.submit", (), 2),
        (f"{_STORE}.store.Store.submit", (), 3),
        (_TAKEN_IN, (), 3),
        (f"{_STORE}.intake.Intake.next", (_TAKEN_IN,), 1),
        (f"{_STORE}.writer.Writer.run", (_TAKEN_IN,), 1),
        (_BEGIN, (_TAKEN_IN,), 1),
        (f"{_STORE}.writer._acknowledge", (_TAKEN_IN,), 1),
        (f"{_STORE}.submissions.take", (_TAKEN_IN,), 1),
        (_DECIDED, (), 2),
        (f"{_STORE}.stamps.Stamper.stamp", (_DECIDED,), 1),
        (f"{_STORE}.vault.Vault.seal_envelope", (_DECIDED,), 2),
        (f"{_STORE}.commit.Commit.write", (_DECIDED,), 1),
        ("sql:INSERT INTO envelope", (_DECIDED,), 2),
        ("sql:INSERT OR REPLACE INTO ledger", (_DECIDED,), 1),
        ("sql:INSERT OR REPLACE INTO mailbox", (_DECIDED,), 1),
        ("sql:UPDATE relay_time", (_DECIDED,), 1),
        committed=False,
    ),
    *_commit(SUBMIT, _DECIDED),
    # Not of what was under way when the submission was taken in: that commit ends without it.
    Point(SUBMIT, f"{_STORE}.writer.Writer.run", AFTER, True, (_DECIDED,)),
    *_points(
        SUBMIT,
        (_TOLD, (_DECIDED,), 1),
        ("relayd.net.router.Router._settled", (), 2),
        (_WOKEN, (), 1),
        (f"{_PUMP}.offer", (_WOKEN,), 2),
        (f"{_PUMP}.fill", (_WOKEN,), 1),
        (_WRITTEN, (_WOKEN,), 1),
        (_WRITTEN, (_WOKEN,), 2),
        committed=True,
    ),
    Point(SUBMIT, _TOLD, AFTER, True, (_DECIDED,)),
    Point(SUBMIT, _WRITTEN, AFTER, True, (_WOKEN,), 1),
    Point(SUBMIT, _WRITTEN, AFTER, True, (_WOKEN,), 2),
)
"""From the sender's bytes to the receiver's."""

RECEIVING: tuple[Point, ...] = (
    *_points(
        ACKNOWLEDGE,
        (f"{_NET}.data_received", (), 1),
        (f"{_PUMP}.acknowledge", (), 1),
        (f"{_STORE}.intake.Intake.acknowledge", (), 1),
        (_BEGIN, (f"{_STORE}.intake.Intake.acknowledge",), 1),
        (_ACKNOWLEDGED, (), 1),
        (f"{_STORE}.removals.leave", (_ACKNOWLEDGED,), 1),
        (f"{_STORE}.removals._became", (), 2),
        ("sql:INSERT INTO envelope", (_ACKNOWLEDGED,), 1),
        ("sql:INSERT OR REPLACE INTO mailbox", (_ACKNOWLEDGED,), 1),
        committed=False,
    ),
    *_commit(ACKNOWLEDGE, _ACKNOWLEDGED),
    *_points(
        ACKNOWLEDGE,
        (_TOLD, (_ACKNOWLEDGED,), 1),
        (_WOKEN, (_ACKNOWLEDGED,), 1),
        (f"{_PUMP}.fill", (_WOKEN,), 1),
        (_WRITTEN, (_WOKEN,), 1),
        committed=True,
    ),
    Point(ACKNOWLEDGE, _WRITTEN, AFTER, True, (_WOKEN,)),
    *_points(
        OUTCOME,
        (f"{_PUMP}.acknowledge", (), 1),
        (_ACKNOWLEDGED, (), 1),
        (f"{_STORE}.commit.Commit.write", (_ACKNOWLEDGED,), 1),
        committed=False,
    ),
    *_commit(OUTCOME, _ACKNOWLEDGED),
    *_points(
        EXPIRE,
        (_EXPIRED, (), 1),
        (f"{_STORE}.removals.leave", (_EXPIRED,), 1),
        (f"{_STORE}.expiry._record", (_EXPIRED,), 1),
        ("sql:INSERT OR REPLACE INTO hole", (_EXPIRED,), 1),
        (f"{_STORE}.commit.Commit.write", (_EXPIRED,), 1),
        committed=False,
    ),
    *_commit(EXPIRE, _EXPIRED),
    *_points(
        EXPIRE,
        (_WOKEN, (_EXPIRED,), 1),
        ("relayd.delivery.hub.Hub.explain", (_EXPIRED,), 1),
        (_WRITTEN, (_EXPIRED,), 1),
        committed=True,
    ),
    Point(EXPIRE, _WRITTEN, AFTER, True, (_EXPIRED,)),
)
"""From the receiver's acknowledgement to the sender's of the outcome, and what becomes of those who do not come."""

COMING: tuple[Point, ...] = (
    *_points(
        LOG_IN,
        (f"{_NET}.data_received", (), 1),
        (f"{_NET}._login", (), 1),
        ("relayd.services.login.Logins.login", (), 1),
        (_LET_IN, (), 1),
        (_ACKNOWLEDGED, (_LET_IN,), 1),
        (f"{_STORE}.attempts.count", (_LET_IN,), 1),
        ("sql:INSERT OR REPLACE INTO ledger", (_LET_IN,), 1),
        committed=False,
    ),
    *_commit(LOG_IN, _LET_IN),
    *_points(
        LOG_IN,
        (f"{_NET}._welcome", (), 1),
        ("relayd.delivery.hub.Hub.attach", (), 1),
        ("relayd.net.router.Router.supersede", (), 1),
        (_WRITTEN, (f"{_NET}._welcome",), 1),
        committed=True,
    ),
    Point(LOG_IN, _WRITTEN, AFTER, True, (f"{_NET}._welcome",)),
    *_points(
        ENROL,
        (f"{_NET}._enter", (), 1),
        ("relayd.services.enrolment.Enrolment.enrol", (), 1),
        (_ENROLLED, (), 1),
        ("sql:INSERT INTO account", (_ENROLLED,), 1),
        ("sql:INSERT INTO device", (_ENROLLED,), 1),
        ("sql:INSERT INTO prekey", (_ENROLLED,), 1),
        ("sql:UPDATE ticket", (_ENROLLED,), 1),
        committed=False,
    ),
    *_commit(ENROL, _ENROLLED),
    *_points(ENROL, (f"{_NET}.say", (_ENROLLED,), 1), (_WRITTEN, (_ENROLLED,), 1), committed=True),
    Point(ENROL, _WRITTEN, AFTER, True, (_ENROLLED,)),
)
"""Devices that come, come again while they are here, or come for the first time."""
