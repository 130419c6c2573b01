from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayproto import visibility
from relayproto.errors import Malformed
from relayproto.standing import Field, Viewer, Visibility

tables = st.binary(min_size=visibility.TABLE_BYTES, max_size=visibility.TABLE_BYTES).map(
    lambda raw: bytes(each % 2 for each in raw)
)


def test_every_cell_has_a_place_of_its_own() -> None:
    cells = [visibility.cell(*of) for of in product(Field, Viewer)]

    assert cells == list(range(visibility.TABLE_BYTES)) == list(range(25))


@pytest.mark.parametrize(("field", "viewer"), list(product(Field, Viewer)))
def test_a_cell_hides_that_field_from_that_viewer_and_nothing_else(field: Field, viewer: Viewer) -> None:
    """Polarity: one cell turned round turns exactly that one round, both ways."""
    hiding = bytearray(visibility.TABLE_BYTES)
    hiding[visibility.cell(field, viewer)] = Visibility.HIDE
    showing = bytearray(Visibility.HIDE for _ in range(visibility.TABLE_BYTES))
    showing[visibility.cell(field, viewer)] = Visibility.SHOW

    for each in Viewer:
        assert visibility.shown(bytes(hiding), each) == set(Field) - ({field} if each is viewer else set())
        assert visibility.shown(bytes(showing), each) == ({field} if each is viewer else set())


@given(st.lists(tables, min_size=1, max_size=4), st.sampled_from(Viewer))
def test_what_any_table_hides_is_hidden(given_tables: list[bytes], viewer: Viewer) -> None:
    strictest = visibility.strictest(given_tables)

    shown = frozenset.intersection(*(visibility.shown(each, viewer) for each in given_tables))
    assert visibility.shown(strictest, viewer) == shown


def test_only_a_table_of_visibilities_is_a_table() -> None:
    assert visibility.checked(visibility.PLATFORM_DEFAULT) == visibility.PLATFORM_DEFAULT
    for wrong in (b"", bytes(24), bytes(26), b"\x02" * 25):
        with pytest.raises(Malformed):
            visibility.checked(wrong)


def test_by_default_citizens_and_applications_see_name_and_title_alone() -> None:
    """Written down once more by hand: a change of the default is a change of what the public is told."""
    for viewer in (Viewer.PUBLIC, Viewer.APPLICATION):
        assert visibility.shown(visibility.PLATFORM_DEFAULT, viewer) == {Field.NAME, Field.TITLE}
    for viewer in (Viewer.SAME_UNIT, Viewer.SAME_ORGANISATION, Viewer.OFFICERS):
        assert visibility.shown(visibility.PLATFORM_DEFAULT, viewer) == set(Field)
