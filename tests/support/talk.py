"""What tests of two Devices and a SmallRelay ask again and again."""

from relayclient.events import MessageReceived, StateChanged
from relayproto.commands import Submit
from relayproto.ids import Address

ALICE, BOB, CAROL = (Address(f"{name}@office.example") for name in ("alice", "bob", "carol"))
HOUR_MS = 3_600_000


def of(kind, events):
    """Return the events, or commands, of a kind."""
    return [event for event in events if isinstance(event, kind)]


def texts(events):
    """Return the texts that were shown."""
    return [event.text for event in of(MessageReceived, events)]


def states(events):
    """Return (message, state) of every change that was told."""
    return [(event.message, event.state) for event in of(StateChanged, events)]


def sent_by(relay, device):
    """Let a device send all that it has; return its SUBMITs."""
    line = relay.connect(device)
    line.run()
    return of(Submit, line.commands)


def introduce(relay, one, other):
    """Let two devices write to each other once, so that both have sessions."""
    one.queue(other.identity.address, "hello", now_ms=relay.now_ms)
    relay.connect(one).run()
    relay.connect(other).run()
    other.queue(one.identity.address, "hello to you", now_ms=relay.now_ms)
    relay.connect(other).run()
    relay.connect(one).run()


def forget_sessions(device):
    """Lose the sessions, as a store that was put together from pieces does."""
    with device._store.step() as step:
        step.run("DELETE FROM session")
