"""Hostile peers without an account: all that they have is the port."""

import asyncio
import os

from hostile.kinds import Kind, Stand, Wire, entrance, knock, login
from relayproto import identity
from relayproto.codes import Code, GoawayCode, Purpose, Suite
from relayproto.commands import Enrol, GetCode
from relayproto.limits import ENROL_COMMANDS_MAX, HANDSHAKE_MESSAGE_BYTES_MAX, TICKET_BYTES, UNAUTHENTICATED_BYTES_MAX
from relayproto.preface import Preface
from relayproto.record import prefixed
from support.device import enrolment
from support.kem import DeterministicKem, stream
from support.people import Person

DRIBBLE_S = 0.3
"""Fast enough to be no silence, slow enough to be still at it when the time is over."""
MESSAGE_1_BYTES = 1_216
"""Of the hybrid handshakes: an X25519 and an ML-KEM public key."""
BURST = 40
FLOOD = 600
"""More connections at once than one address may open (``limits.address_burst``)."""


def preface(stand: Stand, purpose: Purpose = Purpose.DEVICE) -> bytes:
    return Preface(Suite.HYBRID, purpose, stand.place.key_id).encode()


async def slow_handshake(stand: Stand) -> None:
    """Say what is due, one byte now and then."""
    wire = await knock(stand)
    wire.write(preface(stand))
    for octet in prefixed(os.urandom(MESSAGE_1_BYTES)):
        wire.write(bytes((octet,)))
        try:
            async with asyncio.timeout(DRIBBLE_S):
                await wire.ended.wait()
        except TimeoutError:
            continue
        break
    await wire.end()


async def half_open(stand: Stand) -> None:
    """Open connections and say nothing."""
    wires = [await knock(stand) for _ in range(BURST)]
    for wire in wires:
        await wire.end()


async def bad_handshakes(stand: Stand) -> None:
    """Say first messages that are nothing, each of which costs the relay its cryptography."""
    for _ in range(BURST):
        wire = await knock(stand)
        wire.write(preface(stand) + prefixed(os.urandom(MESSAGE_1_BYTES)))
        await wire.end()


async def bad_prefaces(stand: Stand) -> None:
    """Speak another protocol."""
    for _ in range(BURST):
        wire = await knock(stand)
        wire.write(b"GET / HTTP/1.1\r\n\r\n")
        await wire.end()


async def giant_message(stand: Stand) -> None:
    """Announce a handshake message that none is."""
    for length in (0xFFFF, HANDSHAKE_MESSAGE_BYTES_MAX + 1, 0):
        wire = await knock(stand)
        wire.write(preface(stand) + length.to_bytes(2))
        await wire.end()


async def too_much(stand: Stand) -> None:
    """Send more than is read of a stranger, as fast as it goes."""
    wire = await knock(stand)
    wire.write(preface(stand) + HANDSHAKE_MESSAGE_BYTES_MAX.to_bytes(2) + os.urandom(4 * UNAUTHENTICATED_BYTES_MAX))
    await wire.end()


async def replayed_login(stand: Stand) -> None:
    """Say again what a device has said when it logged in: its preface, its handshake, its HELLO."""
    honest = await login(stand)
    captured = bytes(honest.sent)
    honest.close()
    for _ in range(4):
        wire = await knock(stand)
        wire.write(captured)
        await wire.end()


async def guessed_invitations(stand: Stand) -> None:
    """Try tickets, one after the other, on each connection as many as it takes."""
    same = enrolment(NOBODY, bytes(TICKET_BYTES))
    talk = await entrance(stand)
    for _ in range(ENROL_COMMANDS_MAX):
        await talk.ask(Enrol(os.urandom(TICKET_BYTES), same.devices, same.signature, same.prekeys))
    talk.say(same)
    await talk.end()


async def mass_registration(stand: Stand) -> None:
    """Have codes sent to one made-up mail address after the other, for as many accounts."""
    for _ in range(5):
        talk = await entrance(stand)
        for _ in range(ENROL_COMMANDS_MAX):
            await talk.ask(GetCode(f"a{os.urandom(8).hex()}@far.example"))
        talk.close()


async def many_connections(stand: Stand) -> None:
    """Open more connections from one address than an office needs."""
    # Who is refused is reset, in the middle of his knocking where the relay is quick.
    wires = await asyncio.gather(*[knock(stand) for _ in range(FLOOD)], return_exceptions=True)
    for wire in wires:
        if isinstance(wire, Wire):
            wire.close()
        elif not isinstance(wire, ConnectionError):
            raise wire


NOBODY = Person("nobody", DeterministicKem(stream("nobody's kem")))
assert identity.account_id(NOBODY.identity_key) == NOBODY.account

_HANDSHAKES = 'relayd_handshakes_failed_total{{reason="{}"}}'
_REFUSED = 'relayd_refused_total{{code="{}"}}'

STRANGERS = (
    Kind(
        "slow handshakes", "A handshake of one byte now and then, to hold a connection for nothing.",
        slow_handshake, _HANDSHAKES.format("timeout"), peers=20,
    ),
    Kind(
        "half-open connections", "More connections that say nothing than may be half-open at a time.",
        half_open, 'relayd_connections_refused_total{limit="half_open"}', peers=3,
    ),
    Kind(
        "bad handshakes", "First messages of a handshake that are random, one after the other.",
        bad_handshakes, _HANDSHAKES.format("handshake"),
    ),
    Kind("bad prefaces", "Another protocol than ours.", bad_prefaces, _HANDSHAKES.format("preface")),
    Kind(
        "giant handshake messages", "The length of a handshake message that none has, or none at all.",
        giant_message, _HANDSHAKES.format("handshake"),
    ),
    Kind(
        "too much from a stranger", "More bytes than are read of who has not shown who he is.",
        too_much, _HANDSHAKES.format("handshake"),
    ),
    Kind(
        "replayed logins", "All that a device said when it logged in, said again by somebody who has recorded it.",
        replayed_login, _HANDSHAKES.format("handshake"), enrolled=True,
    ),
    Kind(
        "guessed invitations", "Tickets by chance, eight a connection, and one more.",
        guessed_invitations, _REFUSED.format("bad_ticket"), GoawayCode.BAD_STATE,
    ),
    Kind(
        "mass registration", "Codes for one made-up mail address after the other.",
        mass_registration, 'relayd_codes_total{result="refused"}', Code.RATE,
    ),
    Kind(
        "many connections from one address", "Six hundred at once.",
        many_connections, 'relayd_connections_refused_total{limit="address_rate"}', peers=1,
    ),
)  # fmt: skip
