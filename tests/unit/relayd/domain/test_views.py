"""Who looks at whom as what, and what he is shown: cell by cell."""

from itertools import product

import pytest

from relayd.domain import views
from relayd.domain.permits import Side
from relayproto import visibility
from relayproto.standing import Field, Standing, Viewer, Visibility

OFFICER = Side(Standing.VERIFIED, organisation=1, unit=2)
"""Who is looked at."""
VIEWERS = {
    Viewer.SAME_UNIT: [Side(each, organisation=1, unit=2) for each in Standing if each is not Standing.INVITED],
    Viewer.SAME_ORGANISATION: [Side(each, organisation=1, unit=3) for each in Standing if each is not Standing.INVITED],
    Viewer.OFFICERS: [Side(each, organisation=7, unit=7) for each in (Standing.VERIFIED, Standing.OFFICE)],
    Viewer.APPLICATION: [Side(Standing.APPLICATION, organisation=7, unit=7)],
    Viewer.PUBLIC: [
        Side(Standing.PUBLIC),
        Side(Standing.INVITED),
        Side(Standing.INVITED, organisation=7, unit=7),
        Side(Standing.INVITED, organisation=1, unit=2),
        Side(Standing.INVITED, organisation=1, unit=3),
    ],
}


@pytest.mark.parametrize("viewer", Viewer)
def test_where_two_stand_decides_as_what_one_looks_at_the_other(viewer: Viewer) -> None:
    assert {views.viewer(who, OFFICER) for who in VIEWERS[viewer]} == {viewer}


def test_who_belongs_to_nobody_is_at_home_with_his_like() -> None:
    citizen, other = Side(Standing.PUBLIC), Side(Standing.INVITED)

    assert views.viewer(other, citizen) is Viewer.SAME_UNIT
    assert views.viewer(OFFICER, citizen) is Viewer.OFFICERS
    assert views.viewer(Side(Standing.INVITED, organisation=1, unit=2), citizen) is Viewer.PUBLIC


def hiding(field: Field, viewer: Viewer) -> bytes:
    table = bytearray(visibility.TABLE_BYTES)
    table[visibility.cell(field, viewer)] = Visibility.HIDE
    return bytes(table)


@pytest.mark.parametrize(("field", "hidden_from", "viewer"), list(product(Field, Viewer, Viewer)))
def test_what_a_document_or_the_person_hides_is_hidden_from_that_viewer_alone(field, hidden_from, viewer) -> None:
    said = hiding(field, hidden_from)
    whom = Side(Standing.VERIFIED, organisation=1, unit=2, visibility=said)
    expected = set(Field) - ({field} if viewer is hidden_from else set())

    for who in VIEWERS[viewer]:
        assert views.visible(who, whom, None) == expected
        assert views.visible(who, OFFICER, said) == expected
        assert views.visible(who, whom, hiding(Field.NAME, viewer)) == expected - {Field.NAME}
