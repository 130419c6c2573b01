import pytest

from relayd.store import alone, proposals, rosters, staging
from relayproto.administration import (
    Approve,
    CreateUnit,
    GrantRole,
    HandOver,
    MergeOrganisation,
    RenameUnit,
    RevokeRole,
    Withdraw,
)
from relayproto.administration_replies import Acted
from relayproto.audit import NOBODY
from relayproto.codes import Code, Kind
from relayproto.limits import PROPOSAL_LIFETIME_MS, PROPOSALS_EACH_MAX, ROSTER_ALONE_MAX
from relayproto.rosters import GetRoster, ImportRoster, PutRoster, Rostered, RosterLine, digest
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
    second = made.act(made.alice, RenameUnit(1, "Another")).value

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


# --- who is the second person, and for what ---


def approved(made: Chamber, who, number: int):
    return made.act(who, Approve(number, made.proposal(number)[1]))


@pytest.mark.parametrize("unit", [1, 2])
def test_an_auditor_s_role_is_taken_by_two(made: Chamber, unit: int) -> None:
    """Whoever is watched doesn't end the watching alone."""
    made.hold(made.carol.account, Role.AUDITOR, unit)
    proposed = made.act(made.alice, RevokeRole(unit, made.carol.account, Role.AUDITOR))

    assert proposed.state is ActState.PROPOSED
    assert made.held(made.carol.account) == {(Role.AUDITOR, unit)}
    assert approved(made, made.alice, proposed.value) is Code.NOT_PERMITTED
    assert approved(made, made.bob, proposed.value).state is ActState.DONE
    assert made.held(made.carol.account) == set()


def test_an_operator_alone_takes_no_auditor_s_role(made: Chamber) -> None:
    made.hold(made.alice.account, Role.PLATFORM_OPERATOR)
    made.hold(made.carol.account, Role.AUDITOR)

    assert made.act(made.alice, RevokeRole(0, made.carol.account, Role.AUDITOR)).state is ActState.PROPOSED
    assert made.act(made.carol, RevokeRole(0, made.carol.account, Role.AUDITOR)).state is ActState.DONE


def test_an_office_is_no_second_person(made: Chamber) -> None:
    number, _ = waiting(made)
    made.place(made.bob, 1, Standing.OFFICE)

    assert approved(made, made.bob, number) is Code.NOT_PERMITTED


@pytest.mark.parametrize("over", [1, 2, 9])
@pytest.mark.parametrize("first", [True, False])
def test_nobody_decides_a_merger_that_makes_his_own_roles_larger(made: Chamber, over: int, first: bool) -> None:
    made.unit(9)
    for who in (made.alice, made.bob):
        made.drop(who.account)
        made.hold(who.account, Role.PLATFORM_OPERATOR)
    made.hold((made.alice if first else made.bob).account, Role.UNIT_ADMIN, over)

    proposed = made.act(made.alice, MergeOrganisation(9, 2))

    if first:
        assert proposed is Code.NOT_PERMITTED
    else:
        assert approved(made, made.bob, proposed.value) is Code.NOT_PERMITTED
        made.drop(made.bob.account)
        made.hold(made.bob.account, Role.PLATFORM_OPERATOR)
        assert approved(made, made.bob, proposed.value).state is ActState.DONE


@pytest.mark.parametrize(
    ("role", "given", "unit", "code"),
    [
        (Role.UNIT_ADMIN, Role.ORGANISATION_ADMIN, 1, Code.NOT_PERMITTED),
        (Role.UNIT_ADMIN, Role.VERIFIER, 1, Code.NOT_PERMITTED),
        (Role.UNIT_ADMIN, Role.KEY_HOLDER, 2, Code.NOT_PERMITTED),
        (Role.UNIT_ADMIN, Role.VERIFIER, 2, None),
        (Role.ORGANISATION_ADMIN, Role.KEY_HOLDER, 1, None),
        (Role.ORGANISATION_ADMIN, Role.AUDITOR, 2, None),
        (Role.PLATFORM_OPERATOR, Role.UNIT_ADMIN, 1, None),
        (Role.PLATFORM_OPERATOR, Role.UNIT_ADMIN, 2, Code.NOT_PERMITTED),
    ],
)
def test_who_approves_a_handover_could_approve_each_role_of_it(made: Chamber, role, given, unit: int, code) -> None:
    dave, erin = (made.person(f"{name}@u1.example", 2, Standing.VERIFIED) for name in ("dave", "erin"))
    made.hold(dave, given, unit)
    made.drop(made.bob.account)
    made.hold(made.bob.account, role, 0 if role is Role.PLATFORM_OPERATOR else 1)
    proposed = made.act(made.alice, HandOver(1, dave, erin))

    came = approved(made, made.bob, proposed.value)

    assert (came if isinstance(came, Code) else None) is code
    assert made.held(erin) == (set() if code else {(given, unit)})


# --- how much waits ---


def test_the_same_waits_once_for_the_same_person(made: Chamber) -> None:
    number, _ = waiting(made)

    assert made.act(made.alice, granting(made)) is Code.CONFLICT
    assert made.act(made.alice, GrantRole(1, made.carol.account, Role.VERIFIER, made.now_ms + 9)).value == number + 1
    assert made.act(made.bob, granting(made)).state is ActState.PROPOSED, "another person may ask for it too"
    made.act(made.alice, Withdraw(number))
    assert made.act(made.alice, granting(made)).state is ActState.PROPOSED


def test_what_is_over_and_not_swept_may_be_asked_for_again(made: Chamber) -> None:
    made.act(made.alice, RenameUnit(1, "Another"))
    made.clock.advance(WEEK_S)

    assert made.act(made.alice, RenameUnit(1, "Another")).state is ActState.PROPOSED


def test_nobody_uses_up_what_all_share(made: Chamber) -> None:
    names = [f"Name {number}" for number in range(PROPOSALS_EACH_MAX)]
    assert {made.act(made.alice, RenameUnit(1, name)).state for name in names} == {ActState.PROPOSED}

    assert made.act(made.alice, RenameUnit(1, "One more")) is Code.LIMIT
    assert made.act(made.bob, RenameUnit(1, "One more")).state is ActState.PROPOSED


def test_what_somebody_without_roles_has_proposed_takes_no_room(made: Chamber, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals, "PROPOSALS_MAX", 1)
    waiting(made)
    assert made.act(made.bob, RenameUnit(1, "Another")) is Code.LIMIT

    made.act(made.bob, RevokeRole(1, made.alice.account, Role.ORGANISATION_ADMIN))

    assert made.act(made.bob, RenameUnit(1, "Another")).state is ActState.PROPOSED


def staged(made: Chamber, lines: list[RosterLine], name: bytes = b"n" * 16) -> ImportRoster:
    """Let alice stage a roster of organisation 1, and return the change that lets it come in force."""
    for position in range(0, len(lines), 100):
        part = PutRoster(1, name, position, tuple(lines[position : position + 100]))
        taken = made.store.act(lambda commit, part=part: staging.put(commit, made.alice.seat, part))
        assert isinstance(taken, Rostered), taken
        assert taken.faults == ()
    return ImportRoster(1, name, len(lines), digest(lines))


MANY = [RosterLine(f"p{number}@u1.example", "", "") for number in range(ROSTER_ALONE_MAX + 1)]


def in_force(made: Chamber) -> int:
    return made.db.execute("SELECT count(*) FROM roster WHERE force > 0").fetchone()[0]


def test_a_long_roster_is_read_and_approved_by_a_second_person(made: Chamber) -> None:
    change = staged(made, MANY)

    proposed = made.act(made.alice, change)
    read = made.ask(made.bob.account, GetRoster(1, change.roster, 0, 100))
    before = in_force(made)
    approved = made.act(made.bob, Approve(proposed.value, made.proposal(proposed.value)[1]))

    assert (proposed.state, before) == (ActState.PROPOSED, 0)
    assert ([line.fields()[2:] for line in read.lines], read.more) == ([one.fields() for one in MANY[:100]], True)
    assert (approved.state, in_force(made)) == (ActState.DONE, 1)
    assert made.db.execute("SELECT count(*) FROM alone").fetchone() == (0,), "nobody has done it alone"


def test_a_roster_that_is_not_what_was_proposed_is_not_approved(made: Chamber) -> None:
    change = staged(made, MANY)
    proposed = made.act(made.alice, change)
    more = PutRoster(1, change.roster, len(MANY), (RosterLine("mallory@u1.example", "", ""),))
    made.store.act(lambda commit: staging.put(commit, made.alice.seat, more))

    came = made.act(made.bob, Approve(proposed.value, made.proposal(proposed.value)[1]))

    assert (came, in_force(made)) == (Code.CONFLICT, 0)


def test_what_one_person_has_done_alone_counts_where_it_is_done_and_not_where_it_waits(made: Chamber) -> None:
    first = made.act(made.alice, staged(made, MANY[:60]))
    waits = made.act(made.alice, staged(made, MANY[60:], b"2" * 16))
    rehearsed = made.act(made.alice, staged(made, MANY[60:80], b"3" * 16), rehearsal=True)
    made.store.act(rosters.sweep)
    third = made.act(made.alice, staged(made, MANY[60:100], b"3" * 16))

    assert [each.state for each in (first, waits, rehearsed, third)] == [
        ActState.DONE, ActState.PROPOSED, ActState.REHEARSED, ActState.DONE,
    ]  # fmt: skip


def test_a_verifier_sees_what_he_may_approve(made: Chamber) -> None:
    made.hold(made.carol.account, Role.VERIFIER, 1)
    proposed = made.act(made.alice, staged(made, MANY))

    [shown] = made.proposals(made.carol.account, 1)
    approved = made.act(made.carol, Approve(shown.number, made.proposal(proposed.value)[1]))

    assert approved.state is ActState.DONE


def test_what_two_have_decided_counts_on_nobodys_day(made: Chamber) -> None:
    made.act(made.alice, staged(made, MANY[:60]))
    waits = made.act(made.alice, staged(made, MANY[60:], b"2" * 16))
    made.clock.advance(86_400)

    approved = made.act(made.bob, Approve(waits.value, made.proposal(waits.value)[1]))

    assert (waits.state, approved.state) == (ActState.PROPOSED, ActState.DONE)
    made.store.act(alone.forget)
    assert made.db.execute("SELECT count(*) FROM alone").fetchone() == (0,), "it would fit alice's new day"
    assert made.db.execute("SELECT seconded FROM roster ORDER BY force").fetchall() == [(0,), (1,)]
