"""What tests of two Devices and a SmallRelay ask again and again."""

from relayclient import sessions
from relayclient.events import MessageReceived, StateChanged
from relayproto.codes import Class, Lane
from relayproto.commands import Submit
from relayproto.e2e import body
from relayproto.e2e.commitment import Context, conversation_id
from relayproto.ids import Address, MessageId
from relayproto.notices import Deliver
from support.kem import stream
from support.small_relay import NOW_MS

ALICE, BOB, CAROL = (Address(f"{name}@office.example") for name in ("alice", "bob", "carol"))
HOUR_MS = 3_600_000
sender_entropy = stream("said")


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


def forget_own_list(device):
    """Be as a device is that was just let in: it has not seen its account's list."""
    with device._store.step() as step:
        step.run("DELETE FROM contact WHERE account = ?", device.identity.account)
        step.run("DELETE FROM list_seen WHERE account = ?", device.identity.account)


def said(relay, sender, recipient, content, message=None, conversation=None):
    """Let a device say something that its outbox would not: any content, message id or conversation."""
    own, other = sender.identity, recipient.identity
    context = Context(
        conversation or conversation_id(own.account, other.account), message or MessageId(sender_entropy(16)),
        own.account, own.device, NOW_MS,
    )  # fmt: skip
    sealed = body.seal(content, context, sender_entropy)
    with sender._store.step() as step:
        wrap = sessions.seal(step, other.account, other.device, sealed.wrapped.to_bytes())
    box = relay.seat(recipient).boxes[Lane.NORMAL]
    stamped = relay.stamped((own.account, own.device), sealed.commitment)
    expires_ms = relay.now_ms + 60_000
    box.rows[box.next] = Deliver(
        Lane.NORMAL, box.next, own.account, own.device, Class.CHAT, expires_ms, sealed.commitment, stamped, wrap,
        sealed.body,
    )  # fmt: skip
    box.next += 1
    return context.message
