from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayproto import policy
from relayproto.errors import Malformed
from relayproto.standing import Action, Permission, Standing

tables = st.binary(min_size=policy.TABLE_BYTES, max_size=policy.TABLE_BYTES).map(lambda raw: bytes(b % 3 for b in raw))


def test_every_cell_has_a_place_of_its_own() -> None:
    cells = [policy.cell(*of) for of in product(Standing, Standing, Action)]

    assert cells == list(range(policy.TABLE_BYTES)) == list(range(150))


@given(tables, st.sampled_from(Standing), st.sampled_from(Standing), st.sampled_from(Action))
def test_both_sides_of_a_table_say_the_same(table: bytes, who: Standing, whom: Standing, action: Action) -> None:
    permission = table[policy.cell(who, whom, action)]

    assert policy.inbound(table, whom)[who * policy.ACTIONS + action] == permission
    assert policy.outbound(table, who)[whom * policy.ACTIONS + action] == permission
    assert len(policy.inbound(table, whom)) == len(policy.outbound(table, who)) == policy.ROW_BYTES


@given(st.lists(tables, min_size=1, max_size=4))
def test_the_strictest_of_all_counts_and_none_of_them_is_loosened_by_it(given_tables: list[bytes]) -> None:
    strictest = policy.strictest(given_tables)

    assert all(strictest[at] == max(table[at] for table in given_tables) for at in range(policy.TABLE_BYTES))
    assert not any(policy.loosened(table, strictest) for table in given_tables)


@given(tables, tables)
def test_what_loosens_is_found_cell_by_cell(above: bytes, below: bytes) -> None:
    assert policy.loosened(above, below) == tuple(at for at in range(len(above)) if below[at] < above[at])


def test_only_a_table_of_permissions_is_a_table() -> None:
    assert policy.checked(policy.PLATFORM_DEFAULT) == policy.PLATFORM_DEFAULT
    assert policy.checked(bytes(30), policy.ROW_BYTES) == bytes(30)
    for wrong in (b"", bytes(149), bytes(151), b"\x03" * 150):
        with pytest.raises(Malformed):
            policy.checked(wrong)


DENIED = {
    *product([Standing.PUBLIC], [Standing.INVITED, Standing.VERIFIED],
             [Action.FIRST_CONTACT, Action.FILE, Action.CALL, Action.LOOKUP]),
    *product([Standing.PUBLIC], set(Standing) - {Standing.PUBLIC}, [Action.ADD_TO_GROUP]),
    (Standing.PUBLIC, Standing.OFFICE, Action.CALL),
}  # fmt: skip
ASKED = {
    (Standing.PUBLIC, Standing.PUBLIC, Action.FIRST_CONTACT),
    (Standing.PUBLIC, Standing.PUBLIC, Action.ADD_TO_GROUP),
}


@pytest.mark.parametrize("of", list(product(Standing, Standing, Action)), ids=lambda of: "-".join(o.name for o in of))
def test_the_platforms_default_is_what_the_mission_says(of: tuple[Standing, Standing, Action]) -> None:
    """A citizen writes first to an office and to no officer; people who belong somewhere are open to each other."""
    expected = Permission.DENY if of in DENIED else Permission.REQUEST if of in ASKED else Permission.ALLOW

    assert policy.PLATFORM_DEFAULT[policy.cell(*of)] == expected
