"""relay proposal."""

import pytest

from relayproto import acts, document
from relayproto.acts import Instruction
from relayproto.administration import Approve, GrantRole, PutDocument, Withdraw
from relayproto.administration_replies import Acted, Proposal
from relayproto.standing import ActState, ProposalState, Role
from support.changed import replace
from support.registrar import NOW_MS, Registrar

DOCUMENT = document.write(document.parse(
    b'{"schema":1,"unit":1,"version":1,"previous":"' + b"0" * 64 + b'","issued_ms":0,"limits":{"targets":9}}'
))  # fmt: skip


def proposed(number, change, state=ProposalState.WAITING, reason="form 17"):
    act = Instruction(b"r" * 32, b"a" * 32, 1, 1, NOW_MS, NOW_MS + 300_000, reason, False, change)
    return Proposal(number, state, 1, "head@office.example", NOW_MS + 86_400_000, acts.encode(act))


@pytest.fixture
def works(office):
    office.join("alice", "bob")
    bob = office.relay.addresses["bob@office.example"]
    return Registrar(proposals=[
        proposed(2, GrantRole(1, bob, Role.AUDITOR, NOW_MS), ProposalState.EXPIRED),
        proposed(3, GrantRole(1, bob, Role.ORGANISATION_ADMIN, NOW_MS)),
        proposed(5, PutDocument(1, DOCUMENT, bytes(64))),
    ]).install(office.relay)  # fmt: skip


def digest(works, at=1):
    return acts.digest(works.proposals[at].act)


def test_what_waits_is_listed_in_plain_words_with_addresses_that_were_not_known(office, works):
    ran = office.run("alice", "proposal", "list")

    assert "let bob@office.example act as organisation-admin over unit 1" in ran.out
    assert "auditor" not in ran.out
    assert "auditor" in office.run("alice", "proposal", "list", "--all").out


def test_a_proposal_is_shown_with_all_that_it_does(office, works):
    ran = office.run("alice", "proposal", "show", "3")
    [said] = office.run("alice", "proposal", "show", "3", "--json").lines

    bob = office.relay.addresses["bob@office.example"].hex()
    assert f"let bob@office.example, account {bob[:16]} act as organisation-admin" in ran.out
    assert "form 17" in ran.out
    assert digest(works).hex() in ran.out
    assert (said["proposal"], said["kind"], said["reason"]) == (3, "grant-role", "form 17")


def test_of_a_document_its_difference_is_shown(office, works):
    assert "limits.targets: nothing -> 9" in office.run("alice", "proposal", "show", "5").out


def test_approving_shows_it_and_asks(office, works):
    assert office.run("alice", "proposal", "approve", "3").status == 64
    unwilling = office.run("alice", "proposal", "approve", "3", stdin=b"\n", tty=("stdin",))
    assert (unwilling.status, works.acts) == (64, [])
    works.outcome = Acted(ActState.DONE, 9, 8, b"")

    ran = office.run("alice", "proposal", "approve", "3", "--reason", "seen", stdin=b"yes\n", tty=("stdin",))

    assert works.changes == [Approve(3, digest(works))]
    assert "organisation-admin" in ran.err
    assert ran.out.startswith("Done: let bob@office.example act")
    assert "Unit 8 is made" in ran.out


def test_only_what_was_read_is_approved(office, works):
    other = office.run("alice", "proposal", "approve", "3", "--yes", "--digest", "00" * 32)
    assert (other.status, works.acts) == (65, [])

    assert office.run("alice", "proposal", "approve", "3", "--yes", "--digest", digest(works).hex()).status == 0


@pytest.mark.parametrize("number", ["0", "4", "99"])
def test_a_proposal_that_is_not_there_is_told(office, works, number):
    ran = office.run("alice", "proposal", "approve", number, "--yes")

    assert (ran.status, works.acts) == (65, [])


def test_an_act_that_cannot_be_read_is_not_approved(office, works):
    works.proposals[1] = replace(works.proposals[1], act=b"\x02nonsense")

    ran = office.run("alice", "proposal", "approve", "3", "--yes")

    assert (ran.status, works.acts) == (65, [])


def test_a_proposal_is_withdrawn(office, works):
    assert office.run("alice", "proposal", "withdraw", "3").status == 0
    assert works.changes == [Withdraw(3)]


def test_nobody_approves_what_he_has_proposed(office, works):
    mine = replace(acts.decode(works.proposals[1].act), account=office.relay.addresses["alice@office.example"])
    works.proposals[1] = replace(works.proposals[1], act=acts.encode(mine))

    ran = office.run("alice", "proposal", "approve", "3", "--yes")

    assert (ran.status, works.acts) == (77, [])
    assert "you proposed this yourself; another person approves it" in ran.err


@pytest.mark.parametrize("state", [ProposalState.APPROVED, ProposalState.WITHDRAWN, ProposalState.EXPIRED])
def test_what_no_longer_waits_is_not_approved(office, works, state):
    works.proposals[1] = replace(works.proposals[1], state=state)

    ran = office.run("alice", "proposal", "approve", "3", "--yes")

    assert (ran.status, works.acts) == (65, [])
    assert f"proposal 3 is {state.name.lower()} already" in ran.err
