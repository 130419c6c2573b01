"""Names that people have chosen themselves: no organisation comes over them, and they are none of its people."""

import pytest

from relayd.domain.lookalikes import skeleton
from relayd.domain.refusals import Refusal
from relayd.store import belonging, chosen, claims, interventions
from relayd.store.interventions import By
from relayproto.administration import PlaceMember
from relayproto.codes import Code
from relayproto.rosters import Claim
from relayproto.standing import Standing
from support.attestable import Department
from support.organisations import Registry, founding, registry
from support.rostered import in_force, line, seat

DOMAIN = "gad.example"
BY = By(0, "he may be taken for an officer")


def squatter(desk: Registry, address: str = f"chief@{DOMAIN}") -> bytes:
    """Make an account as REGISTER does for who chooses a name under a domain that is offered."""
    account = desk.person(address)
    under = skeleton(address.partition("@")[2])
    desk.db.execute("UPDATE account SET chosen = ? WHERE account = ?", (under, account))
    return account


def founded(desk: Registry, domain: str = DOMAIN):
    """Let an organisation in whose admin was invited by the relay's operator."""
    return desk.do(desk.operator(), founding("Administration", domain, desk.person(f"admin@{domain}")), domain)


def suspended(desk: Registry, account: bytes, *, off: bool = False) -> Code | None:
    try:
        interventions.suspend(desk.commit, account.hex(), BY, suspended=not off)
    except Refusal as refusal:
        return refusal.code
    return None


def test_no_organisation_comes_over_names_that_somebody_has_chosen(tmp_path) -> None:
    with registry(tmp_path) as desk:
        squatter(desk, "chief@gad.example")
        squatter(desk, "clerk@gad.example")

        assert founded(desk) is Code.CONFLICT
        admin = desk.person("admin@relay.example")
        lookalike = founding("Administration", "gad.examp1e", admin)
        assert desk.do(desk.operator(), lookalike, "gad.examp1e") is Code.CONFLICT
        assert not isinstance(founded(desk, "pwd.example"), Code)
        assert chosen.first(desk.db, DOMAIN, 100) == ["chief@gad.example", "clerk@gad.example"]
        assert chosen.first(desk.db, DOMAIN, 1) == ["chief@gad.example"]


def test_whom_the_operator_invited_is_nobody_who_chose(tmp_path) -> None:
    with registry(tmp_path) as desk:
        desk.person("chief@gad.example", standing=Standing.INVITED)

        assert not isinstance(founded(desk), Code)


def test_once_they_are_suspended_it_comes_and_they_never_go_on(tmp_path) -> None:
    with registry(tmp_path) as desk:
        mallory, other = squatter(desk), squatter(desk, "mallory@city.example")
        for account in (mallory, other):
            assert suspended(desk, account) is None

        assert not isinstance(founded(desk), Code)

        assert suspended(desk, mallory, off=True) is Code.CONFLICT
        assert suspended(desk, other, off=True) is None, "nobody has proven that domain"


def test_who_chose_his_name_is_nobodys_officer_whatever_a_roster_says(tmp_path) -> None:
    with registry(tmp_path) as desk:
        mallory = squatter(desk)
        suspended(desk, mallory)
        root = founded(desk).value
        admin = desk.known[f"admin@{DOMAIN}"]
        at = Department(desk, root, root, admin, admin, mallory)

        in_force(at, line("chief", "Chief Rao"), unit=root)

        assert desk.db.execute("SELECT count(*) FROM claim").fetchone() == (0,)
        assert desk.do(admin, PlaceMember(root, mallory, Standing.INVITED)) is Code.NOT_PERMITTED
        with pytest.raises(Refusal) as refused:
            claims.make(desk.commit, seat(at, mallory), Claim("Chief Rao", "Chief"))
        assert refused.value.code is Code.NOT_PERMITTED
        assert belonging.is_of(desk.commit, f"chief@{DOMAIN}", root)
