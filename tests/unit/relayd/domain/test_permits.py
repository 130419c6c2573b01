from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.domain import permits
from relayd.domain.permits import Side
from relayproto import policy
from relayproto.standing import Action, Permission, Standing
from support.changed import replace

SENDING = (Action.TEXT, Action.CALL)
tables = st.binary(min_size=150, max_size=150).map(lambda raw: bytes(byte % 3 for byte in raw))


def side(table: bytes, standing: Standing) -> Side:
    return Side(standing, policy.inbound(table, standing), policy.outbound(table, standing))


@given(tables, tables, st.sampled_from(Standing), st.sampled_from(Standing), st.sampled_from(Action))
def test_the_strictest_of_both_sides_counts(ours, theirs, who, whom, action) -> None:
    at = policy.cell(who, whom, action)

    assert permits.permission(side(ours, who), side(theirs, whom), action) == max(ours[at], theirs[at])


@given(tables, tables, st.sampled_from(Standing), st.sampled_from(Standing), st.sampled_from(SENDING))
def test_freely_goes_what_both_sides_allow_also_as_a_first_word(ours, theirs, who, whom, action) -> None:
    sides = side(ours, who), side(theirs, whom)
    words = [permits.permission(*sides, each) for each in (action, Action.FIRST_CONTACT)]

    assert permits.freely(*sides, action) == (words == [Permission.ALLOW] * 2)


def test_nobody_whom_no_table_concerns_is_kept_from_anything() -> None:
    assert permits.freely(permits.NOWHERE, permits.NOWHERE, Action.CALL)
    assert not permits.needs_pass(permits.NOWHERE, permits.NOWHERE)


@pytest.mark.parametrize(("who", "whom"), list(product(Standing, Standing)))
def test_a_pass_is_needed_where_one_may_not_write_first_or_not_find(who: Standing, whom: Standing) -> None:
    for action in (Action.FIRST_CONTACT, Action.LOOKUP, Action.TEXT):
        table = bytearray(150)
        table[policy.cell(who, whom, action)] = Permission.DENY
        sides = side(bytes(table), who), side(bytes(table), whom)

        assert permits.needs_pass(*sides) == (action is not Action.TEXT)
        assert permits.may_find(*sides) == (action is not Action.LOOKUP)


def test_who_is_suspended_is_not_active() -> None:
    assert permits.NOWHERE.active
    assert not replace(permits.NOWHERE, active=False).active
