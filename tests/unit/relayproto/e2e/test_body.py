import msgpack
import pytest

from relayproto.e2e import body
from relayproto.e2e.body import open_body, seal
from relayproto.e2e.commitment import commit, hide
from relayproto.e2e.content import Evidence, Forward, Read, Retry, Text, Unknown, encode
from relayproto.e2e.padding import pad
from relayproto.e2e.wrap import Wrapped
from relayproto.errors import CryptoFailure, Malformed
from relayproto.limits import BODY_BYTES_MAX, STAMP_BYTES_MAX, TEXT_BYTES_MAX
from relayproto.primitives import Aead
from support.changed import replace
from support.people import Person, Stamping, context, said

ALICE, BOB, CAROL = Person("alice"), Person("bob"), Person("carol")
RELAY = Stamping()
ELSEWHERE = Stamping(8, name="elsewhere")


def opened(sealed, *, peer=ALICE, descriptors=None, **changes):
    descriptors = [RELAY.descriptor] if descriptors is None else descriptors
    return open_body(RELAY.deliver(sealed, ALICE, **changes), sealed.wrapped, peer.peer, descriptors)


def sealed_raw(packed, *, where=None, plaintext=None, made=None):
    """Seal what a dishonest sender might."""
    where = where or context(ALICE, BOB)
    made = made or commit(packed, hide(where, b"x" * 32), b"r" * 32)
    plaintext = plaintext or pad(msgpack.packb([where.to_bytes(), b"x" * 32, b"r" * 32, packed]))
    sealed = Aead(b"k" * 32).seal(bytes(12), plaintext, b"\x01" + made)
    return body.Sealed(Wrapped(b"k" * 32, made), b"\x01" + sealed)


@pytest.mark.parametrize("content", [Text("hello", 1), Read((bytes(16),), 5), Retry(7, (b"c" * 33,))])
def test_what_was_sealed_is_opened_with_its_context(content):
    sealed = seal(content, context(ALICE, BOB), ALICE.entropy)

    shown = opened(sealed)

    assert (shown.content, shown.context, shown.origin) == (content, context(ALICE, BOB), None)
    assert shown.evidence.commitment == sealed.commitment


def test_a_body_tells_little_by_its_length():
    lengths = {len(seal(Text("x" * n, 1), context(ALICE, BOB), ALICE.entropy).body) for n in range(0, 800, 7)}

    assert lengths == {17 + 128 * n for n in range(2, 9)}


def test_the_longest_text_fits_also_as_a_forward_of_a_forward():
    content = Text("x" * TEXT_BYTES_MAX, (1 << 63) - 1)
    unproven = replace(said(RELAY, ALICE, BOB, content).evidence, stamp=bytes(STAMP_BYTES_MAX))
    forward = Forward(unproven)

    for deeper in (content, forward, Forward(replace(unproven, content=encode(forward)))):
        assert len(seal(deeper, context(ALICE, BOB), ALICE.entropy).body) <= BODY_BYTES_MAX


def test_a_content_that_makes_too_long_a_body_is_refused():
    evidence = Evidence(bytes(BODY_BYTES_MAX), bytes(32), bytes(32), bytes(33), b"")

    with pytest.raises(Malformed, match="body"):
        seal(Forward(evidence), context(ALICE, BOB), ALICE.entropy)


def test_a_body_without_a_stamp_that_holds_is_refused():
    sealed = seal(Text("hello", 1), context(ALICE, BOB), ALICE.entropy)

    for changes in ({"stamp": b""}, {"stamp": ELSEWHERE.stamp(sealed.commitment, ALICE)}, {"descriptors": []}):
        with pytest.raises(CryptoFailure):
            opened(sealed, **changes)


@pytest.mark.parametrize("octets", [b"", b"\x02" + bytes(144), b"\x01", b"\x01" + bytes(144)])
def test_a_body_that_does_not_open_is_refused(octets):
    sealed = seal(Text("hello", 1), context(ALICE, BOB), ALICE.entropy)

    with pytest.raises(CryptoFailure):
        opened(sealed, body=octets)


@pytest.mark.parametrize(
    "sealed",
    [
        sealed_raw(encode(Text("hello", 1)), where=context(BOB, ALICE)),
        sealed_raw(encode(Text("hello", 1)), where=context(ALICE, BOB, device=2)),
        sealed_raw(encode(Text("hello", 1)), made=b"\x01" + bytes(32)),
        sealed_raw(encode(Text("hello", 1)), where=context(ALICE, BOB, sent_ms=(1 << 64) - 1)),
        sealed_raw(b"\xc1"),
        sealed_raw(b"x", plaintext=bytes(128)),
        sealed_raw(b"x", plaintext=pad(b"\x90")),
    ],
    ids=["sender", "device", "commitment", "time", "content", "padding", "fields"],
)
def test_what_does_not_agree_with_itself_is_refused(sealed):
    with pytest.raises(CryptoFailure):
        opened(sealed)


def test_a_session_with_somebody_else_is_refused():
    with pytest.raises(CryptoFailure):
        opened(seal(Text("hello", 1), context(ALICE, BOB), ALICE.entropy), peer=CAROL)


def test_a_kind_of_a_newer_program_is_shown_as_unknown():
    assert opened(sealed_raw(msgpack.packb([99]))).content == Unknown(99)


def test_a_forward_shows_the_first_authors_text_with_its_evidence():
    first = said(RELAY, ALICE, BOB, Text("hello", 1))

    second = said(RELAY, BOB, CAROL, first.forward())
    third = said(RELAY, CAROL, ALICE, second.forward())

    assert second.content == third.content == Text("hello", 1)
    assert second.origin == third.origin == first.evidence
    assert third.context.sender == CAROL.account


def test_a_forward_grows_no_longer_however_many_pass_it_on():
    opened = first = said(RELAY, ALICE, BOB, Text("hello", 1))

    for author, reader in ((BOB, CAROL), (CAROL, ALICE)) * 3:
        opened = said(RELAY, author, reader, opened.forward())

    assert opened.forward() == Forward(first.evidence)


def test_a_forward_with_a_stamp_that_nobody_here_knows_is_the_forwarders_own_and_is_sent_on_as_that():
    unknown = Forward(replace(said(RELAY, ALICE, BOB, Text("hello", 1)).evidence, stamp=bytes(150)))

    second = said(RELAY, BOB, CAROL, unknown)
    third = said(RELAY, CAROL, ALICE, second.forward())
    fourth = said(RELAY, ALICE, BOB, third.forward())

    assert (second.content, second.origin) == (Text("hello", 1), None)
    assert third.content == fourth.content == Text("hello", 1)
    assert third.origin == fourth.origin == second.evidence


@pytest.mark.parametrize("content", [Read((bytes(16),), 5), Retry(7, (b"c" * 33,))])
def test_what_only_programs_read_is_not_forwarded(content):
    forwarded = Forward(said(RELAY, ALICE, BOB, content).evidence)

    with pytest.raises(CryptoFailure):
        said(RELAY, BOB, CAROL, forwarded)


def test_forwards_in_forwards_are_bounded():
    evidence = said(RELAY, ALICE, BOB, Text("hello", 1)).evidence
    content = Forward(evidence)
    for _ in range(2):
        content = Forward(replace(evidence, content=encode(content)))

    assert said(RELAY, BOB, CAROL, content).content == Text("hello", 1)
    with pytest.raises(CryptoFailure):
        said(RELAY, BOB, CAROL, Forward(replace(evidence, content=encode(content))))
