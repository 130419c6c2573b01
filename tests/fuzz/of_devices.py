"""What comes to a device from another one or from its owner: contents, wraps, links, codes, spreadsheets.

Bytes enter what the client decodes; the rules are those of the modules: a value, or the one error that each names.
"""

from fuzz.rules import only, require, target
from relayclient import linking, spreadsheet
from relayclient.errors import CodeWrong
from relayclient.officer_errors import SheetUnreadable
from relayproto import invitation
from relayproto.e2e import body, commitment, content, handshake, padding, passing, ratchet, session, wrap
from relayproto.e2e.content import Unknown
from relayproto.errors import CryptoFailure, LocalProtocolError, Malformed
from relayproto.invitation import InvitationError
from relayproto.limits import BODY_BYTES_MAX, INVITATION_CHARS_MAX, WRAP_BYTES_MAX
from relayproto.packed import pack, unpack
from support.kem import DeterministicKem, stream
from support.people import NOW_MS, Person, talking

SHEET_BYTES_MAX = 4_096


# --- contents ---------------------------------------------------------------------------------
def a_content(octets: bytes) -> None:
    with only(Malformed):
        said = content.decode(octets)
    if isinstance(said, Unknown):
        return
    again = content.encode(said)
    require(content.decode(again) == said, "another content comes back")
    require(len(again) <= len(octets), "the shortest form is longer")


def a_padded(octets: bytes) -> None:
    with only(Malformed):
        plain = padding.unpad(octets)
    padded = padding.pad(plain)
    require(
        padding.unpad(padded) == plain and len(padded) == padding.padded_length(len(plain)), "other bytes come back"
    )
    with only(Malformed):
        unpack(plain, body._Plaintext)


def a_context(octets: bytes) -> None:
    exactly = octets[: commitment.CONTEXT_BYTES].ljust(commitment.CONTEXT_BYTES, b"\0")
    with only(Malformed):
        said = commitment.read_context(exactly)
    require(said.to_bytes() == exactly, "another context comes back")


CONTENTS = (a_content, a_padded, a_context)


def any_content(octets: bytes) -> None:
    if octets:
        CONTENTS[octets[0] % len(CONTENTS)](octets[1:])


# --- wraps ------------------------------------------------------------------------------------
class Pair:
    """Two devices in the middle of a conversation, and one that has never been written to; made once."""

    def __init__(self) -> None:
        self.alice, self.bob, self.fresh = (
            Person(name, DeterministicKem(stream(f"{name} kem"))) for name in ("alice", "bob", "carol")
        )
        self.to_bob, self.held = talking(self.alice, self.bob)


PAIR: list[Pair] = []


def pair() -> Pair:
    if not PAIR:
        PAIR.append(Pair())
    return PAIR[0]


def a_wrap(octets: bytes) -> None:
    """Open what the relay says is alice's: in a session that there is, and as a first message."""
    one = pair()
    with only(CryptoFailure):
        session.prekeys_of(one.held, octets)
    with only(CryptoFailure, LocalProtocolError):
        session.open_wrap(one.held, octets, now_ms=NOW_MS, entropy=stream("bob's next"))


def a_ratchet_message(octets: bytes) -> None:
    """Let the other end of a session, which knows the state and so may say any header, say this."""
    one = pair()
    with only(CryptoFailure):
        ratchet.decrypt(one.held.sessions[0].ratchet, octets, now_ms=NOW_MS, entropy=stream("next"))


def a_first_message(octets: bytes) -> None:
    with only(CryptoFailure):
        handshake.head_of(octets)
    with only(CryptoFailure):
        one = pair()
        keys = handshake.Secrets(bytes(32), bytes(32), bytes(64))
        handshake.respond(one.fresh.own, octets, keys, list_hashes={1: one.fresh.list_hash})


def a_stored_session(octets: bytes) -> None:
    with only(Malformed):
        held = session.from_bytes(octets)
    require(session.from_bytes(session.to_bytes(held)) == held, "another session comes back")


def something_small(octets: bytes) -> None:
    one = pair()
    with only(CryptoFailure):
        wrap.read_wrapped(octets)
    with only(CryptoFailure):
        passing.read(one.held, octets)


WRAPS = (a_wrap, a_ratchet_message, a_first_message, a_stored_session, something_small)


def any_wrap(octets: bytes) -> None:
    if octets:
        WRAPS[octets[0] % len(WRAPS)](octets[1:])


# --- what people paste ------------------------------------------------------------------------
def a_link(octets: bytes) -> None:
    """Read a text as it is; where the first byte says so, with the checksum put right."""
    text = octets[1:].decode(errors="replace")
    with only(InvitationError):
        invited = invitation.from_link(text if octets[:1] < b"\x80" else summed(octets[1:]))
    require(invitation.from_link(invitation.to_link(invited)) == invited, "another invitation comes back")


def summed(octets: bytes) -> str:
    """Return a link that holds these bytes, as somebody would make it who knows how."""
    host, port = "relay.gad.example", 7443
    packed = b"\x01" + octets
    coded = invitation.base64.urlsafe_b64encode(packed + invitation._checksum(host, port, packed)).rstrip(b"=").decode()
    return f"relay://{host}:{port}/join#{coded}"


def a_code(octets: bytes) -> None:
    text = octets[1:].decode(errors="replace")
    if octets[:1] >= b"\x80":
        text = linking._code(linking._NEW, octets[1:])
    with only(CodeWrong):
        new = linking.read_new(text)
    require(linking.read_new(linking._code(linking._NEW, pack(*new.fields()))) == new, "another device comes back")
    linking.digits(text)


def pasted(octets: bytes) -> None:
    (a_code if octets[:1] and octets[0] & 1 else a_link)(octets)


def a_sheet(octets: bytes) -> None:
    with only(SheetUnreadable):
        lines, faults = spreadsheet.read(octets)
    numbers = [line.number for line in lines]
    require(numbers == sorted(set(numbers)), "lines out of order, or one twice")
    require(len({line.address for line in lines}) == len(lines), "an address twice")
    rows = octets.count(b"\n") + octets.count(b"\r") + 1
    require(
        len(lines) + len(faults) <= rows and all(0 < number <= rows for number in numbers), "lines that are not there"
    )
    for line in lines:
        shown = f"{line.address}{line.name}{line.title}"
        require(not any(sign in shown for sign in "\n\r\0\u202e"), "a sign that turns a line")


DEVICES = {
    "content": target(any_content, BODY_BYTES_MAX),
    "wrap": target(any_wrap, WRAP_BYTES_MAX + 64),
    "link": target(pasted, INVITATION_CHARS_MAX),
    "sheet": target(a_sheet, SHEET_BYTES_MAX),
}
