"""The device's room: becoming a member - an invitation's ticket, or a code, turned into an account.

A device that was created and not enrolled enters; the same device leaves, enrolled.
The rule of this file: the relay is believed by the invitation alone - its key, or a newer one that its root signed.
Enrolling again after a cut gets the same answer, so that a network that fails halfway costs nothing.
"""

import asyncio
from typing import Final

from relayclient import endings
from relayclient.clock import RelayClock
from relayclient.device import Device
from relayclient.entropy import system_entropy
from relayclient.errors import AddressUnknown, RelayAway, RelayRefused, TicketWrong
from relayclient.session import Session
from relayproto.codes import Code, Purpose
from relayproto.commands import EnrolCommand
from relayproto.connection import ClientConnection
from relayproto.events import Closed, DescriptorReceived, Established, Event, MessageReceived
from relayproto.primitives import Entropy
from relayproto.replies import Done, Enrolled, Refused

CONNECT_TIMEOUT_S: Final = 10.0
_TRIES: Final = 2
"""The first may show that the invitation names a key that the relay no longer has; the second uses the newer one."""


class _Talk:
    """One enrolment connection: what came of it."""

    def __init__(self, device: Device, clock: RelayClock, said: EnrolCommand) -> None:
        self._device = device
        self._clock = clock
        self._said = said
        self.answer: Enrolled | Done | Refused | None = None
        self.key_adopted = False
        self.established = False
        self.failure: Exception | None = None
        self.session: Session | None = None
        self.ended: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()

    def on_event(self, event: Event) -> None:
        try:
            self._take(event)
        except Exception as error:  # noqa: BLE001 - the device's errors must reach the caller, not the event loop
            self.failure = error
            if self.session is not None:
                self.session.abort()

    def _take(self, event: Event) -> None:
        match event:
            case Established() if self.session is not None:
                self.established = True
                self.session.send(self._said)
            case DescriptorReceived(descriptor):
                self.key_adopted = bool(self._device.descriptor(descriptor, self._clock.now_ms()))
            case MessageReceived(_, (Enrolled() | Done() | Refused()) as answer) if self.session is not None:
                self.answer = answer
                if isinstance(answer, Enrolled):
                    self._device.enrolled(answer)
                self.session.goaway(reconnect=False)
            case Closed() if not self.ended.done():
                self.ended.set_result(event)
            case _:
                pass


async def join(device: Device, *, clock: RelayClock | None = None, entropy: Entropy = system_entropy) -> None:
    """Enrol a device that ``Device.create`` made.

    Raises RelayAway where there is no relay, TicketWrong, RelayRefused, and RelayUntrusted where the relay's root is
    not the invitation's.
    """
    answer = await ask(device, device.enrol_command(), clock=clock or RelayClock(), entropy=entropy)
    if isinstance(answer, Refused):
        raise _refusal(answer.code)


async def ask(
    device: Device, said: EnrolCommand, *, clock: RelayClock, entropy: Entropy = system_entropy
) -> Enrolled | Done | Refused:
    """Say one thing on an enrolment connection and return the answer; ENROLLED has been taken in by then.

    Raises RelayAway, RelayUntrusted.
    """
    talk, why = None, ""
    for _ in range(_TRIES):
        talk, why = await _talk(device, said, clock, entropy)
        if not talk.key_adopted:
            break
    if talk is None or talk.answer is None:
        raise RelayAway(why)
    return talk.answer


async def _talk(device: Device, said: EnrolCommand, clock: RelayClock, entropy: Entropy) -> tuple[_Talk, str]:
    endpoint = device.endpoint()
    place = f"{endpoint.host}:{endpoint.port}"
    talk = _Talk(device, clock, said)
    connection = ClientConnection(
        purpose=Purpose.ENROL,
        relay_key=endpoint.key,
        key_id=endpoint.key_id,
        hello=None,
        static_key=None,
        entropy=entropy,
        now=clock.monotonic(),
    )

    def session() -> Session:
        talk.session = Session(connection, clock=clock, on_event=talk.on_event)
        return talk.session

    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await asyncio.get_running_loop().create_connection(session, endpoint.host, endpoint.port)
    except OSError as error:
        raise RelayAway(endings.unreachable(error, place)) from None
    closed = await talk.ended
    if talk.failure is not None:
        raise talk.failure
    reset = talk.session is not None and talk.session.was_reset
    return talk, endings.reason(closed, place, established=talk.established, reset=reset)


def _refusal(code: int) -> Exception:
    if code == Code.BAD_TICKET:
        return TicketWrong()
    if code == Code.ADDRESS_TAKEN:
        return RelayRefused("that address has an account already")
    if code == Code.BAD_ADDRESS:
        return AddressUnknown()
    return RelayRefused(f"code {code}")
