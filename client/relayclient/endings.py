"""The device's room: why a connection ended, in words, and whether it is worth another try.

A close event or an exception of the network enters; a sentence for a person or an error leaves.
The rule of this file: GOAWAY's own flag decides about coming back, and a superseded connection never does.
"""

import socket

from relayclient.errors import ClientError, DeviceRemoved, RelayRefused, Superseded
from relayproto.codes import GoawayCode
from relayproto.events import Closed

_SENTENCES = {
    GoawayCode.BYE: "the connection was closed",
    GoawayCode.SUPERSEDED: "this device connected from somewhere else",
    GoawayCode.STALLED: "the relay waited too long for an acknowledgement",
    GoawayCode.IDLE: "the relay did not answer any more",
    GoawayCode.RESTART: "the relay restarts",
    GoawayCode.RENEW: "the relay asks for a new connection",
    GoawayCode.BUSY: "the relay has too many connections",
    GoawayCode.RATE: "the relay found us too fast",
    GoawayCode.AUTHENTICATION: "the relay does not let this device in",
    GoawayCode.INTERNAL: "the relay had a fault of its own",
}


def unreachable(error: OSError | TimeoutError, place: str) -> str:
    """Return why there was no connection to ``place`` (host:port)."""
    match error:
        case ConnectionRefusedError():
            return f"{place} refuses connections: no relay runs there now"
        case ConnectionResetError():
            return _broke_off(place, reset=True)
        case TimeoutError():
            return f"{place} does not answer"
        case socket.gaierror():
            return f"the name in {place} cannot be found"
        case _:
            return f"{place}: {error.strerror or error}"


def _broke_off(place: str, *, reset: bool) -> str:
    if reset:
        return f"{place} broke off as we came: most likely it has too many connections for now, or too many from here"
    # One that can't open what was sealed for another key ends without a word, and so does one that stops just now.
    return f"{place} broke off before it showed that it holds the relay key of the invitation"


def reason(closed: Closed, place: str, *, established: bool, reset: bool) -> str:
    """Return why a connection to ``place`` ended.

    ``established``: the relay had shown that it holds its key; ``reset``: the connection ended without an end.
    """
    if not established and closed.code is None:
        return _broke_off(place, reset=reset)
    if not established and not closed.by_peer:
        if closed.code == GoawayCode.TIMEOUT:
            return f"what runs at {place} does not answer as a relay"
        return f"what runs at {place} does not hold the relay key of the invitation"
    if closed.code is None:
        return f"the connection to {place} broke"
    try:
        return _SENTENCES.get(GoawayCode(closed.code), f"the connection ended with {GoawayCode(closed.code).name}")
    except ValueError:
        return f"the connection ended with code {closed.code}"


def verdict(closed: Closed) -> ClientError | None:
    """Return what there is to tell where the connection is not worth another try, else None."""
    if closed.code == GoawayCode.SUPERSEDED:
        return Superseded()
    if closed.reconnect:
        return None
    if closed.code == GoawayCode.AUTHENTICATION:
        return DeviceRemoved()
    return RelayRefused(f"code {closed.code}")
