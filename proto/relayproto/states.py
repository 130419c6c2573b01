"""The contract: the phases of a connection and every transition between them.

The rule of this file: whatever moves a connection from one state to another stands in ``TRANSITIONS``. A pair that
is missing there is a mistake of ours, never of the peer: what the peer does wrong is the step ``FAULT``.
"""

from enum import Enum
from typing import Final

from relayproto.errors import LocalProtocolError


class State(Enum):
    """Where a connection is."""

    PREFACE = "preface"
    """The relay waits for the client's first twelve bytes."""
    HANDSHAKE = "handshake"
    """Noise messages are exchanged."""
    GREETED = "greeted"
    """Message 3 has been sent or verified; the relay has not said WELCOME yet."""
    OPEN = "open"
    """Frames go both ways."""
    CLOSED = "closed"
    """Nothing more is read; what is still to be written ends the connection."""


class Step(Enum):
    """What moves it on."""

    PREFACE_READ = "preface read"
    HELLO_DONE = "message 3 done"
    NOBODY_TO_GREET = "handshake without identity done"
    WELCOMED = "WELCOME said"
    GOAWAY = "GOAWAY said by either side"
    FAULT = "the peer broke the protocol"
    TIMEOUT = "a deadline passed"
    END = "the byte pipe ended"


TRANSITIONS: Final[dict[tuple[State, Step], State]] = {
    (State.PREFACE, Step.PREFACE_READ): State.HANDSHAKE,
    (State.PREFACE, Step.GOAWAY): State.CLOSED,
    (State.PREFACE, Step.FAULT): State.CLOSED,
    (State.PREFACE, Step.TIMEOUT): State.CLOSED,
    (State.PREFACE, Step.END): State.CLOSED,
    (State.HANDSHAKE, Step.HELLO_DONE): State.GREETED,
    (State.HANDSHAKE, Step.NOBODY_TO_GREET): State.OPEN,
    (State.HANDSHAKE, Step.GOAWAY): State.CLOSED,
    (State.HANDSHAKE, Step.FAULT): State.CLOSED,
    (State.HANDSHAKE, Step.TIMEOUT): State.CLOSED,
    (State.HANDSHAKE, Step.END): State.CLOSED,
    (State.GREETED, Step.WELCOMED): State.OPEN,
    (State.GREETED, Step.GOAWAY): State.CLOSED,
    (State.GREETED, Step.FAULT): State.CLOSED,
    (State.GREETED, Step.TIMEOUT): State.CLOSED,
    (State.GREETED, Step.END): State.CLOSED,
    (State.OPEN, Step.GOAWAY): State.CLOSED,
    (State.OPEN, Step.FAULT): State.CLOSED,
    (State.OPEN, Step.TIMEOUT): State.CLOSED,
    (State.OPEN, Step.END): State.CLOSED,
}


def after(state: State, step: Step) -> State:
    """Return the state that ``step`` leads to, or raise LocalProtocolError where the table has none."""
    try:
        return TRANSITIONS[state, step]
    except KeyError:
        raise LocalProtocolError(f"'{step.value}' can't happen to a connection that is {state.value}") from None


def diagram() -> str:
    """Return the table as a Mermaid state diagram, for the spec."""
    rows = [f"    {state.value} --> {to.value}: {step.value}" for (state, step), to in TRANSITIONS.items()]
    return "\n".join(["stateDiagram-v2", *rows]) + "\n"
