import pytest

from relayproto.e2e.commitment import commit
from relayproto.e2e.content import Evidence, Text, encode
from relayproto.e2e.report import open_report, seal_report, verify
from relayproto.errors import CryptoFailure, LocalProtocolError, Malformed
from relayproto.limits import BODY_BYTES_MAX, REPORT_BYTES, STAMP_BYTES_MAX
from relayproto.primitives import box_seal, x25519_public
from support.changed import replace
from support.people import NOW_MS, Person, Stamping, said

FIRST, SECOND = b"1" * 32, b"2" * 32
MODERATORS = (x25519_public(FIRST), x25519_public(SECOND))


def evidence() -> tuple[Stamping, Person, Evidence]:
    relay, alice, bob = Stamping(), Person("alice"), Person("bob")
    return relay, alice, said(relay, alice, bob, Text("abuse", 1)).evidence


def test_both_moderators_together_get_what_was_reported_and_who_wrote_it():
    relay, alice, reported = evidence()

    opened = open_report(seal_report(reported, MODERATORS), FIRST, SECOND)

    author = verify(opened, [relay.descriptor], relay.hour_key)
    assert opened == reported
    assert (author.account, author.device, author.ms) == (alice.account, alice.device, NOW_MS)


@pytest.mark.parametrize("keys", [(FIRST, FIRST), (SECOND, SECOND), (SECOND, FIRST)])
def test_one_moderator_alone_learns_nothing(keys):
    sealed = seal_report(evidence()[2], MODERATORS)

    with pytest.raises(CryptoFailure):
        open_report(sealed, *keys)


def test_the_longest_report_and_the_shortest_have_one_length():
    longest = Evidence(bytes(BODY_BYTES_MAX), bytes(32), bytes(32), bytes(33), bytes(STAMP_BYTES_MAX))

    lengths = {len(seal_report(each, MODERATORS)) for each in (longest, evidence()[2])}

    assert lengths == {REPORT_BYTES}
    assert open_report(seal_report(longest, MODERATORS), FIRST, SECOND) == longest


def test_a_relay_without_moderators_gets_no_report():
    with pytest.raises(LocalProtocolError):
        seal_report(evidence()[2], ())


@pytest.mark.parametrize("plain", [b"", b"\x01\x90", b"\x02\x90\x80", b"\x01\x90\x80", b"\x01\xc1\x80"])
def test_what_is_no_report_is_malformed(plain):
    sealed = box_seal(MODERATORS[0], box_seal(MODERATORS[1], plain))

    with pytest.raises(Malformed):
        open_report(sealed, FIRST, SECOND)


def test_nobody_is_the_author_of_another_content():
    relay, _, reported = evidence()
    forged = replace(reported, content=encode(Text("worse", 1)))

    with pytest.raises(CryptoFailure):
        verify(forged, [relay.descriptor], relay.hour_key)


def test_nobody_is_the_author_of_what_the_relay_has_not_stamped():
    relay, _, reported = evidence()
    content = encode(Text("worse", 1))
    forged = replace(reported, content=content, commitment=commit(content, reported.hidden, reported.opening))

    with pytest.raises(CryptoFailure):
        verify(forged, [relay.descriptor], relay.hour_key)


def test_nobody_is_the_author_under_another_hours_key():
    relay, _, reported = evidence()

    with pytest.raises(CryptoFailure):
        verify(reported, [relay.descriptor], b"k" * 32)
