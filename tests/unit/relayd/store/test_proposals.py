import pytest

from relayd.store import proposals
from relayproto.administration import (
    Approve,
    CreateUnit,
    GrantRole,
    HandOver,
    RenameUnit,
    RevokeRole,
    Withdraw,
)
from relayproto.administration_replies import Acted
from relayproto.audit import NOBODY
from relayproto.codes import Code, Kind
from relayproto.limits import PROPOSAL_LIFETIME_MS
from relayproto.standing import ActState, ProposalState, Role, Standing
from support.officers import YEAR_MS, Chamber, chamber

WEEK_S = PROPOSAL_LIFETIME_MS / 1000
ADMINISTRATIVE = ("audit", "denial", "account")


@pytest.fixture
def made():
    """Alice and bob are admins of organisation 1, carol belongs to it."""
    with chamber() as opened:
        opened.unit(1)
        opened.unit(2, 1)
        for who in (opened.alice, opened.bob, opened.carol):
            opened.place(who, 1)
        for who in (opened.alice, opened.bob):
            opened.hold(who.account, Role.ORGANISATION_ADMIN, 1)
        yield opened


def granting(made: Chamber) -> GrantRole:
    return GrantRole(1, made.carol.account, Role.KEY_HOLDER, made.now_ms + YEAR_MS)


def waiting(made: Chamber) -> tuple[int, bytes]:
    """Let alice propose that carol keeps the key; return the proposal's number and digest."""
    proposed = made.act(made.alice, granting(made), reason="she is back")
    assert isinstance(proposed, Acted)
    assert proposed.state is ActState.PROPOSED
    return proposed.value, made.proposal(proposed.value)[1]


def test_what_needs_a_second_person_waits_and_changes_nothing(made: Chamber) -> None:
    number, digest = waiting(made)

    assert made.held(made.carol.account) == set()
    assert made.proposal(number) == (ProposalState.WAITING, digest)
    record = made.last()
    assert (record.kind, record.state, record.value) == (Kind.GRANT_ROLE, ActState.PROPOSED, number)
    assert (record.account, record.whom, record.act) == (made.alice.account, made.carol.account, digest)
    [shown] = made.proposals(made.bob.account, 1)
    assert (shown.number, shown.unit, shown.address) == (number, 1, "alice@gad.example")
    assert shown.expires_ms == made.now_ms + PROPOSAL_LIFETIME_MS


def test_a_second_person_does_it_in_the_first_one_s_name(made: Chamber) -> None:
    number, digest = waiting(made)

    done = made.act(made.bob, Approve(number, digest), reason="agreed")

    assert isinstance(done, Acted)
    assert done.state is ActState.DONE
    assert made.held(made.carol.account) == {(Role.KEY_HOLDER, 1)}
    assert made.proposal(number)[0] is ProposalState.APPROVED
    record = made.last()
    assert (record.kind, record.account, record.first) == (Kind.GRANT_ROLE, made.bob.account, made.alice.account)
    assert (record.whom, record.detail, record.act) == (made.carol.account, Role.KEY_HOLDER, digest)
    assert (record.role, record.over, record.reason) == (Role.ORGANISATION_ADMIN, 1, "agreed")


@pytest.mark.parametrize("said", [Approve, Withdraw])
def test_what_is_settled_is_settled(made: Chamber, said) -> None:
    number, digest = waiting(made)
    made.act(made.bob, Approve(number, digest) if said is Approve else Withdraw(number))
    before = made.dump(without=ADMINISTRATIVE)

    assert made.act(made.bob, Approve(number, digest)) is Code.CONFLICT
    assert made.act(made.bob, Withdraw(number)) is Code.CONFLICT

    assert made.dump(without=ADMINISTRATIVE) == before


def test_the_first_person_is_not_the_second(made: Chamber) -> None:
    number, digest = waiting(made)

    assert made.act(made.alice, Approve(number, digest)) is Code.NOT_PERMITTED

    assert made.held(made.carol.account) == set()
    assert (made.last().kind, made.last().code, made.last().unit) == (Kind.APPROVE, Code.NOT_PERMITTED, 1)


def test_another_device_of_the_first_person_is_not_the_second_either(made: Chamber) -> None:
    number, digest = waiting(made)
    made.login(made.alice, 2)

    came = made.act(made.alice, Approve(number, digest), device=2)

    assert came is Code.NOT_PERMITTED


def test_who_has_no_right_learns_nothing_of_a_proposal(made: Chamber) -> None:
    number, digest = waiting(made)

    answers = [
        made.act(made.carol, said)
        for said in (Approve(number, digest), Approve(number, bytes(32)), Approve(99, digest), Withdraw(number),
                     Withdraw(99))
    ]  # fmt: skip
    missing = made.act(made.bob, Approve(99, digest))

    assert set(answers) == {Code.NOT_PERMITTED}
    assert missing is Code.NOT_PERMITTED
    assert made.proposal(number)[0] is ProposalState.WAITING


def test_nobody_approves_what_he_has_not_read(made: Chamber) -> None:
    number, _ = waiting(made)
    made.act(made.alice, RenameUnit(1, "Another"))
    _, other = made.proposal(number + 1)

    assert made.act(made.bob, Approve(number, other)) is Code.CONFLICT

    assert made.proposal(number)[0] is ProposalState.WAITING
    assert made.held(made.carol.account) == set()


def test_the_first_person_s_right_must_still_stand(made: Chamber) -> None:
    number, digest = waiting(made)
    made.act(made.bob, RevokeRole(1, made.alice.account, Role.ORGANISATION_ADMIN))

    assert made.act(made.bob, Approve(number, digest)) is Code.CONFLICT

    assert made.held(made.carol.account) == set()
    assert made.proposal(number)[0] is ProposalState.WAITING


def test_the_second_person_s_right_counts_at_that_moment(made: Chamber) -> None:
    number, digest = waiting(made)
    made.act(made.alice, RevokeRole(1, made.bob.account, Role.ORGANISATION_ADMIN))

    assert made.act(made.bob, Approve(number, digest)) is Code.NOT_PERMITTED

    assert made.held(made.carol.account) == set()


def test_what_the_change_demands_is_looked_at_again(made: Chamber) -> None:
    number, digest = waiting(made)
    made.place(made.carol, 0, Standing.PUBLIC)

    assert made.act(made.bob, Approve(number, digest)) is Code.NOT_PERMITTED

    assert made.held(made.carol.account) == set()


def test_a_proposal_that_could_not_be_done_is_not_kept(made: Chamber) -> None:
    assert made.act(made.alice, RenameUnit(1, "unit 1")) is Code.CONFLICT

    assert made.proposals(made.bob.account, 1) == ()


def test_an_approval_may_be_rehearsed(made: Chamber) -> None:
    number, digest = waiting(made)
    before = made.dump(without=("audit", "denial"))

    done = made.act(made.bob, Approve(number, digest), rehearsal=True)

    assert done.state is ActState.REHEARSED
    assert made.dump(without=("audit", "denial")) == before


@pytest.mark.parametrize("by", ["alice", "bob"])
def test_a_proposal_is_withdrawn_by_its_author_or_who_could_approve_it(made: Chamber, by: str) -> None:
    number, digest = waiting(made)
    made.drop(made.alice.account)

    done = made.act(getattr(made, by), Withdraw(number))

    assert done.state is ActState.DONE
    assert made.proposal(number)[0] is ProposalState.WITHDRAWN
    record = made.last()
    assert (record.kind, record.first, record.value) == (Kind.WITHDRAW, made.alice.account, number)
    assert (record.object, record.unit, record.act) == (1, 1, digest)


def test_a_proposal_is_over_after_a_week_whether_or_not_it_was_swept(made: Chamber) -> None:
    number, digest = waiting(made)
    made.clock.advance(WEEK_S)

    assert made.act(made.bob, Approve(number, digest)) is Code.EXPIRED
    assert made.act(made.bob, Withdraw(number)) is Code.EXPIRED
    made.sweep()
    assert made.proposal(number)[0] is ProposalState.EXPIRED
    assert made.act(made.bob, Approve(number, digest)) is Code.EXPIRED

    assert made.held(made.carol.account) == set()


def test_the_end_of_a_proposal_is_written_once_and_the_row_goes_a_week_later(made: Chamber) -> None:
    number, digest = waiting(made)
    records = len(made.records())

    made.sweep(WEEK_S - 1)
    assert len(made.records()) == records
    made.sweep(1)
    made.sweep(1)

    record = made.last()
    assert len(made.records()) == records + 1
    assert (record.kind, record.code, record.value) == (Kind.GRANT_ROLE, Code.EXPIRED, number)
    assert (record.account, record.first, record.act) == (NOBODY, made.alice.account, digest)
    made.sweep(WEEK_S)
    assert made.db.execute("SELECT count(*) FROM proposal").fetchone() == (0,)


def test_what_was_approved_goes_when_its_time_is_over(made: Chamber) -> None:
    number, digest = waiting(made)
    made.act(made.bob, Approve(number, digest))
    records = len(made.records())

    made.sweep(WEEK_S)

    assert made.db.execute("SELECT count(*) FROM proposal").fetchone() == (0,)
    assert len(made.records()) == records


def test_one_pass_of_the_sweep_ends_a_bounded_number(made: Chamber, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals, "_ROWS_MAX", 1)
    first, _ = waiting(made)
    second, _ = waiting(made)

    made.sweep(WEEK_S)
    assert [made.proposal(number)[0] for number in (first, second)] == [ProposalState.EXPIRED, ProposalState.WAITING]
    made.sweep()

    assert made.proposal(second)[0] is ProposalState.EXPIRED


def test_an_organisation_has_so_many_waiting_and_others_have_their_own(
    made: Chamber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposals, "PROPOSALS_MAX", 2)
    made.unit(6)
    made.hold(made.alice.account, Role.ORGANISATION_ADMIN, 6)
    erin = made.person("erin@u1.example", 2, Standing.VERIFIED)
    made.hold(erin, Role.VERIFIER, 2)
    waiting(made)
    assert made.act(made.alice, HandOver(2, erin, made.carol.account)).state is ActState.PROPOSED
    before = made.dump(without=ADMINISTRATIVE)

    assert made.act(made.alice, RenameUnit(1, "Too many")) is Code.LIMIT

    assert made.dump(without=ADMINISTRATIVE) == before
    assert made.last().code == Code.LIMIT
    assert made.act(made.alice, RenameUnit(6, "Another organisation")).state is ActState.PROPOSED
    assert made.act(made.alice, CreateUnit(1, "needs nobody else")).state is ActState.DONE


def test_proposals_survive_a_restart(made: Chamber) -> None:
    number, digest = waiting(made)
    made.store.crash()
    made.login(made.bob)

    assert made.act(made.bob, Approve(number, digest)).state is ActState.DONE


def test_nobody_approves_what_gives_him_something(made: Chamber) -> None:
    proposed = made.act(made.alice, GrantRole(1, made.bob.account, Role.KEY_HOLDER, made.now_ms + YEAR_MS))
    assert isinstance(proposed, Acted)

    denied = made.act(made.bob, Approve(proposed.value, made.proposal(proposed.value)[1]))

    assert denied is Code.NOT_PERMITTED
    assert made.proposal(proposed.value)[0] is ProposalState.WAITING
    assert Role.KEY_HOLDER not in {role for role, _ in made.held(made.bob.account)}
