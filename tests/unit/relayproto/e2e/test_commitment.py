import pytest

from relayproto.e2e.commitment import CONTEXT_BYTES, check_opens, commit, conversation_id, hide, read_context
from relayproto.errors import CryptoFailure, Malformed
from support.changed import replace
from support.people import Person, context

ALICE, BOB = Person("alice"), Person("bob")
CONTEXT = context(ALICE, BOB)


def test_a_context_comes_back_from_its_bytes():
    assert read_context(CONTEXT.to_bytes()) == CONTEXT
    assert len(CONTEXT.to_bytes()) == CONTEXT_BYTES == 92


def test_a_time_that_no_store_can_keep_is_malformed():
    with pytest.raises(Malformed):
        read_context(CONTEXT.to_bytes()[:-8] + (1 << 47).to_bytes(8))


def test_a_conversation_is_the_same_from_both_sides_and_no_other():
    assert conversation_id(ALICE.account, BOB.account) == conversation_id(BOB.account, ALICE.account)
    assert conversation_id(ALICE.account, BOB.account) != conversation_id(ALICE.account, ALICE.account)


def test_a_commitment_opens_with_what_it_was_made_of_only():
    hidden = hide(CONTEXT, b"x" * 32)
    made = commit(b"content", hidden, b"r" * 32)

    check_opens(made, b"content", hidden, b"r" * 32)

    assert len(made) == 33
    for content, with_hidden, opening in (
        (b"Content", hidden, b"r" * 32),
        (b"content", hide(replace(CONTEXT, sent_ms=1), b"x" * 32), b"r" * 32),
        (b"content", hide(CONTEXT, b"y" * 32), b"r" * 32),
        (b"content", hidden, b"s" * 32),
    ):
        with pytest.raises(CryptoFailure):
            check_opens(made, content, with_hidden, opening)
    with pytest.raises(CryptoFailure):
        check_opens(b"\x02" + made[1:], b"content", hidden, b"r" * 32)
