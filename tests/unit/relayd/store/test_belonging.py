"""Where accounts belong: one unit, one organisation or nobody."""

import pytest

from relayd.domain.acting import Denied
from relayd.store import belonging
from relayproto.administration import CreateUnit
from relayproto.codes import Code
from relayproto.standing import PLATFORM, Standing
from support.organisations import registry


def test_an_account_is_found_or_forbidden(tmp_path) -> None:
    with registry(tmp_path) as desk:
        root, admin = desk.organisation()

        found = belonging.account(desk.commit, admin)

        assert (found.row, found.unit, found.standing) == (desk.row(admin), root, Standing.VERIFIED)
        with pytest.raises(Denied) as denied:
            belonging.account(desk.commit, b"x" * 32)
        assert denied.value.code is Code.NOT_PERMITTED


def test_an_organisations_own_are_those_of_all_its_units(tmp_path) -> None:
    with registry(tmp_path) as desk:
        root, admin = desk.organisation()
        _, foreign = desk.organisation("pwd.example")
        unit = desk.done(admin, CreateUnit(root, "Records")).value
        bob = desk.person("bob@gad.example", unit, Standing.INVITED)

        for own in (admin, bob):
            belonging.require_own(desk.commit, belonging.account(desk.commit, own), root)
        for other in (foreign, desk.person("public@gad.example")):
            with pytest.raises(Denied) as denied:
                belonging.require_own(desk.commit, belonging.account(desk.commit, other), root)
            assert denied.value.code is Code.NOT_PERMITTED


def test_what_is_written_is_seen_by_what_follows(tmp_path) -> None:
    with registry(tmp_path) as desk:
        _, admin = desk.organisation()
        before = desk.commit.party(admin)

        belonging.put(desk.commit, belonging.account(desk.commit, admin), PLATFORM, Standing.PUBLIC)

        assert desk.belongs(admin) == (PLATFORM, Standing.PUBLIC)
        assert desk.commit.party(admin) is not before
