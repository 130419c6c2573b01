import os
import sqlite3

import pytest

from relayd.domain.refusals import Refusal
from relayd.store import acts as store_acts
from relayd.store import denials
from relayd.store.acts import ALL_VERBS, SKEW_MS
from relayproto import acts
from relayproto.administration import (
    CHANGES,
    Approve,
    CreateUnit,
    GetRoles,
    GrantRole,
    HandOver,
    InviteMember,
    MergeOrganisation,
    MoveUnit,
    PlaceMember,
    RenameUnit,
    RevokeRole,
    SuspendOrganisation,
    Withdraw,
)
from relayproto.administration_replies import Acted
from relayproto.audit import NOBODY
from relayproto.codes import Code, Kind
from relayproto.commands import Act
from relayproto.limits import ACT_STEP_MAX
from relayproto.primitives import blake2b_256
from relayproto.standing import PLATFORM, ActState, Role, Standing, UnitState
from support.changed import replace
from support.officers import MINUTE_MS, YEAR_MS, Chamber, chamber, instruction, signed
from support.organisations import founding

ADMINISTRATIVE = ("audit", "denial")
"""Tables that a denial or a rehearsal changes."""


@pytest.fixture
def made():
    """Alice is the admin of organisation 1 with unit 2, bob belongs to it, carol to nobody."""
    with chamber() as opened:
        opened.unit(1)
        opened.unit(2, 1)
        opened.place(opened.alice, 1)
        opened.place(opened.bob, 2)
        opened.hold(opened.alice.account, Role.ORGANISATION_ADMIN, 1)
        yield opened


def names(made: Chamber) -> set[str]:
    return {name for (name,) in made.db.execute("SELECT name FROM unit")}


def test_a_change_its_record_and_its_number_are_one_commit(made: Chamber) -> None:
    act = instruction(made.alice, CreateUnit(2, "Registry"), made.now_ms, number=7, reason="the office grows")
    command = signed(made.alice, act)

    done = made.perform(made.alice, command)

    assert isinstance(done, Acted)
    assert (done.state, done.record, done.ticket) == (ActState.DONE, 1, b"")
    assert made.db.execute("SELECT under, name FROM unit WHERE id = ?", (done.value,)).fetchone() == (2, "Registry")
    assert made.number(made.alice) == 7
    [record] = made.records()
    assert (record.kind, record.account, record.device) == (Kind.CREATE_UNIT, made.alice.account, 1)
    assert (record.role, record.over, record.object) == (Role.ORGANISATION_ADMIN, 1, 2)
    assert (record.code, record.state, record.value) == (Code.STORED, ActState.DONE, done.value)
    assert (record.act, record.reason) == (acts.digest(command.octets), "the office grows")
    assert record.unit == done.value
    assert (record.before, len(record.after)) == (b"", 32)


def test_a_ticket_goes_to_who_acts_and_nowhere_else(made: Chamber) -> None:
    done = made.act(made.alice, InviteMember(2, "new@u1.example", Standing.INVITED, 3_600))

    assert isinstance(done, Acted)
    assert len(done.ticket) == 16
    assert all(done.ticket.hex() not in line.lower() for line in made.dump())


# --- what is no act of this device's, here and now ---


def tampered(command: Act) -> Act:
    return Act(command.octets[:-1] + bytes([command.octets[-1] ^ 1]), command.signature)


def forgeries(made: Chamber):
    alice, now_ms, change = made.alice, made.now_ms, RenameUnit(2, "Mine")
    good = signed(alice, instruction(alice, change, now_ms))
    return {
        "rubbish": Act(b"rubbish", bytes(64)),
        "without a signature": Act(good.octets, bytes(64)),
        "by another key": signed(alice, instruction(alice, change, now_ms), os.urandom(32)),
        "changed afterwards": tampered(good),
        "for another relay": signed(alice, instruction(alice, change, now_ms, relay=bytes(32))),
        "of another account": signed(made.bob, instruction(made.bob, change, now_ms)),
        "of another account, signed here": signed(alice, instruction(alice, change, now_ms, account=made.bob.account)),
        "of another device": signed(alice, instruction(alice, change, now_ms, device=2)),
        "of another device, signed here": signed(alice, instruction(alice, change, now_ms, device=2), alice.keys[1][1]),
        "good for too long": signed(alice, instruction(alice, change, now_ms, expires_ms=now_ms + 11 * MINUTE_MS)),
        "over before it begins": signed(alice, instruction(alice, change, now_ms, expires_ms=now_ms)),
    }


def test_what_this_device_did_not_sign_for_this_relay_is_no_act(made: Chamber) -> None:
    before = made.dump(without=ADMINISTRATIVE)

    for what, command in forgeries(made).items():
        assert made.perform(made.alice, command) is Code.BAD_SIGNATURE, what
        record = made.last()
        assert (record.kind, record.code, record.account) == (Kind.ACT, Code.BAD_SIGNATURE, made.alice.account)
        assert (record.unit, record.act) == (1, blake2b_256(command.octets))
        assert record.reason == "", "nothing of it is believed"

    assert made.dump(without=ADMINISTRATIVE) == before
    assert made.number(made.alice) == 0
    assert len(made.records()) == len(forgeries(made))


@pytest.mark.parametrize(
    ("issued_ms", "expires_ms", "code"),
    [
        (-5 * MINUTE_MS, -1, Code.EXPIRED),
        (-5 * MINUTE_MS, 0, Code.EXPIRED),
        (-5 * MINUTE_MS, 1, None),
        (SKEW_MS, SKEW_MS + 1000, None),
        (SKEW_MS + 1, SKEW_MS + 1000, Code.EXPIRED),
    ],
)
def test_an_act_counts_in_its_time_alone(made: Chamber, issued_ms: int, expires_ms: int, code: Code | None) -> None:
    times = {"issued_ms": made.now_ms + issued_ms, "expires_ms": made.now_ms + expires_ms}

    came = made.act(made.alice, CreateUnit(2, "Registry"), number=5, **times)

    if code is None:
        assert isinstance(came, Acted)
    else:
        assert came is code
        assert "Registry" not in names(made)
        assert made.number(made.alice) == 0, "a number is used from the third check on"
        assert (made.last().kind, made.last().code) == (Kind.CREATE_UNIT, code)


def test_an_act_that_comes_again_is_a_replay(made: Chamber) -> None:
    command = signed(made.alice, instruction(made.alice, CreateUnit(2, "Registry"), made.now_ms))
    assert isinstance(made.perform(made.alice, command), Acted)
    before = made.dump(without=ADMINISTRATIVE)

    assert made.perform(made.alice, command) is Code.REPLAYED

    assert made.dump(without=ADMINISTRATIVE) == before
    assert made.last().code == Code.REPLAYED


def test_acts_in_another_order_count_only_upwards(made: Chamber) -> None:
    first = signed(made.alice, instruction(made.alice, RenameUnit(2, "First"), made.now_ms, number=4))
    second = signed(made.alice, instruction(made.alice, RenameUnit(2, "Second"), made.now_ms, number=5))

    assert isinstance(made.perform(made.alice, second), Acted)
    assert made.perform(made.alice, first) is Code.REPLAYED

    assert "Second" in names(made)


def test_devices_of_one_account_share_its_numbers(made: Chamber) -> None:
    made.login(made.alice, 2)
    one = signed(made.alice, instruction(made.alice, RenameUnit(2, "One"), made.now_ms, number=4))
    other = signed(made.alice, instruction(made.alice, RenameUnit(2, "Other"), made.now_ms, number=4, device=2))
    assert isinstance(made.perform(made.alice, one), Acted)

    assert made.perform(made.alice, other, device=2) is Code.REPLAYED


def test_a_denied_act_has_used_its_number(made: Chamber) -> None:
    assert made.act(made.bob, RenameUnit(2, "Mine"), number=9) is Code.NOT_PERMITTED

    assert made.number(made.bob) == 9
    assert made.act(made.bob, RenameUnit(2, "Mine"), number=9) is Code.REPLAYED


def test_an_old_connection_of_the_device_does_nothing(made: Chamber) -> None:
    old = made.alice.seat
    made.login(made.alice)
    made.alice.seats[1] = old

    with pytest.raises(Refusal) as refused:
        made.act(made.alice, CreateUnit(2, "Registry"))

    assert refused.value.code is Code.AUTHENTICATION
    assert made.records() == []


# --- denials ---


def test_a_denial_is_written_where_the_unit_s_auditors_see_it(made: Chamber) -> None:
    before = made.dump(without=(*ADMINISTRATIVE, "account"))

    assert made.act(made.bob, GrantRole(2, made.carol.account, Role.VERIFIER, 5)) is Code.NOT_PERMITTED

    record = made.last()
    assert (record.unit, record.object, record.whom) == (2, 2, made.carol.account)
    assert (record.detail, record.code, record.role) == (Role.VERIFIER, Code.NOT_PERMITTED, 0)
    assert (record.account, record.reason) == (made.bob.account, "as decided")
    assert made.dump(without=(*ADMINISTRATIVE, "account")) == before


def test_a_denial_about_what_is_foreign_or_is_not_is_seen_where_who_asked_belongs(made: Chamber) -> None:
    """So that nobody learns from what his own auditor sees which numbers of units and proposals there are."""
    made.unit(6)
    made.hold(made.carol.account, Role.ORGANISATION_ADMIN, 6)
    foreign = made.act(made.carol, RenameUnit(6, "Theirs")).value
    made.drop(made.carol.account)

    for who, seen_by in ((made.bob, 2), (made.carol, PLATFORM)):
        for change in (
            CreateUnit(6, "x"), CreateUnit(99, "x"), Approve(foreign, bytes(32)), Approve(99, bytes(32)), Withdraw(99),
        ):  # fmt: skip
            assert made.act(who, change) is Code.NOT_PERMITTED
            assert made.last().unit == seen_by
        for unit in (6, 99):
            question = GetRoles(unit, 0, 9)
            made.store.act(lambda commit, who=who, asked=question: store_acts.deny_question(
                commit, who.seat, asked, Code.NOT_PERMITTED
            ))  # fmt: skip
            assert (made.last().unit, made.last().object) == (seen_by, unit)


def test_what_is_denied_about_the_platform_its_own_auditors_see(made: Chamber) -> None:
    assert made.act(made.bob, SuspendOrganisation(1, True)) is Code.NOT_PERMITTED
    assert made.last().unit == PLATFORM


def test_what_a_change_itself_demands_is_a_denial_too(made: Chamber) -> None:
    before = made.dump(without=(*ADMINISTRATIVE, "account"))

    assert made.act(made.alice, CreateUnit(1, "unit 2")) is Code.CONFLICT

    assert made.last().code == Code.CONFLICT
    assert made.dump(without=(*ADMINISTRATIVE, "account")) == before


def test_a_refusal_of_a_verb_is_a_denial(made: Chamber, monkeypatch) -> None:
    def refusing(*_) -> None:
        raise Refusal(Code.BAD_ADDRESS)

    monkeypatch.setattr(store_acts, "ALL_VERBS", {Kind.CREATE_UNIT: refusing})

    assert made.act(made.alice, CreateUnit(2, "x")) is Code.BAD_ADDRESS
    assert made.last().code == Code.BAD_ADDRESS


def test_a_change_that_nobody_can_make_is_unsupported(made: Chamber, monkeypatch) -> None:
    monkeypatch.setattr(store_acts, "ALL_VERBS", {})

    assert made.act(made.alice, CreateUnit(2, "x")) is Code.UNSUPPORTED


def test_who_has_no_right_does_not_empty_what_commits_live_on(made: Chamber) -> None:
    residents = made.store.opened.tools.residents
    sender = residents.sender(made.db, made.alice.seat.row)

    made.act(made.carol, RenameUnit(2, "Mine"))

    assert residents.sender(made.db, made.alice.seat.row) is sender


def test_a_denied_question_is_written_too(made: Chamber) -> None:
    verb = made.store.act

    assert (
        verb(lambda commit: store_acts.deny_question(commit, made.bob.seat, GetRoles(1, 0, 9), Code.NOT_PERMITTED))
        is None
    )
    record = made.last()

    assert (record.kind, record.unit, record.account) == (Kind.GET_ROLES, 1, made.bob.account)
    assert (record.code, record.state) == (Code.NOT_PERMITTED, 0)


# --- who sees it ---


def seen_by(made: Chamber, unit: int) -> set[tuple[Kind, bytes]]:
    return {(record.kind, record.act) for record in made.records() if record.unit == unit}


def test_what_operators_do_the_platform_s_auditors_see_too(made: Chamber) -> None:
    for who in (made.bob, made.carol):
        made.place(who, PLATFORM, Standing.PUBLIC)
        made.hold(who.account, Role.PLATFORM_OPERATOR)
    until_ms = made.now_ms + YEAR_MS
    dave = made.person("dave@u1.example", 2, Standing.VERIFIED)
    digests = []
    for change, second in (
        (SuspendOrganisation(1, True), made.carol), (SuspendOrganisation(1, False), made.carol),
        (GrantRole(1, dave, Role.ABUSE_OFFICER, until_ms), made.carol),
        (GrantRole(1, dave, Role.ORGANISATION_ADMIN, until_ms), made.alice),
    ):  # fmt: skip
        proposed = made.act(made.bob, change)
        digests.append((Kind(change.KIND), made.proposal(proposed.value)[1]))
        assert made.act(second, Approve(proposed.value, digests[-1][1])).state is ActState.DONE
    made.act(made.carol, RevokeRole(1, dave, Role.ABUSE_OFFICER))

    both = [one for one in made.records() if one.state == ActState.DONE and one.unit == 1]
    for record in both:
        assert replace(record, unit=PLATFORM) in made.records()
    assert len(both) == len(digests) + 1
    assert seen_by(made, PLATFORM) == {*digests, (Kind.REVOKE_ROLE, both[-1].act)}
    assert {(one.state, one.act) for one in made.records() if one.unit == PLATFORM} >= {
        (state, digest) for state in (ActState.PROPOSED, ActState.DONE) for _, digest in digests
    }


def test_what_an_organisation_does_itself_is_its_own_affair(made: Chamber) -> None:
    made.act(made.alice, RenameUnit(2, "Registry"))
    made.act(made.alice, RenameUnit(1, "Waiting"))

    assert [record.unit for record in made.records()] == [2, 1]


def test_who_loses_sight_of_something_sees_it_go(made: Chamber) -> None:
    made.unit(3, 2)
    made.unit(4, 1)

    made.act(made.alice, MoveUnit(3, 4))
    moved = {record.unit: record for record in made.records()}
    made.act(made.alice, PlaceMember(4, made.bob.account, Standing.INVITED))
    placed = {record.unit: record for record in made.records()[2:]}

    assert (moved.keys(), placed.keys()) == ({3, 2}, {4, 2})
    for records in (moved, placed):
        assert len({replace(record, unit=PLATFORM) for record in records.values()}) == 1


# --- the log has to be written ---


@pytest.mark.parametrize("rehearsal", [True, False])
def test_without_its_record_nothing_is_done(made: Chamber, rehearsal: bool) -> None:
    before = made.dump()
    made.broken_log()

    with pytest.raises(sqlite3.IntegrityError):
        made.act(made.alice, RenameUnit(2, "Mine"), rehearsal=rehearsal)
    with pytest.raises(sqlite3.IntegrityError):
        made.act(made.carol, RenameUnit(2, "Mine"))

    made.mended_log()
    assert made.dump() == before
    assert isinstance(made.act(made.alice, RenameUnit(2, "Mine"), number=1), Acted)


def test_without_its_record_nothing_is_proposed_or_approved(made: Chamber) -> None:
    made.hold(made.bob.account, Role.ORGANISATION_ADMIN, 1)
    waiting = made.act(made.alice, RenameUnit(1, "Mine"))
    _, digest = made.proposal(waiting.value)
    before = made.dump()
    made.broken_log()

    for who, change in ((made.alice, RenameUnit(1, "Ours")), (made.bob, Approve(waiting.value, digest))):
        with pytest.raises(sqlite3.IntegrityError):
            made.act(who, change)

    made.mended_log()
    assert made.dump() == before


def test_without_its_record_no_glass_is_broken(made: Chamber) -> None:
    before = made.dump()
    made.broken_log()

    with pytest.raises(sqlite3.IntegrityError):
        _break_glass(made)

    made.mended_log()
    assert made.dump() == before


@pytest.mark.parametrize(
    ("who", "change", "said"),
    [
        ("alice", CreateUnit(2, "Registry"), {}),
        ("alice", CreateUnit(2, "Registry"), {"rehearsal": True}),
        ("alice", RenameUnit(1, "Another name"), {}),
        ("alice", CreateUnit(1, "unit 2"), {}),
        ("bob", CreateUnit(2, "Registry"), {}),
        ("carol", Approve(1, b""), {}),
    ],
    ids=["done", "rehearsed", "proposed", "in conflict", "not permitted", "approved"],
)
def test_whichever_statement_of_an_act_fails_nothing_is_left_of_it(made: Chamber, who: str, change, said) -> None:
    made.place(made.carol, 1)
    made.hold(made.carol.account, Role.ORGANISATION_ADMIN, 1)
    waiting = made.act(made.alice, RenameUnit(1, "Mine"))
    if isinstance(change, Approve):
        change = Approve(waiting.value, made.proposal(waiting.value)[1])
    officer = getattr(made, who)
    command = signed(officer, instruction(officer, change, made.now_ms, **said))
    before, tried = made.dump(), 0

    while made.fails(officer, command, tried + 1):
        tried += 1
        assert made.dump() == before, f"statement {tried}"

    assert tried > 12
    assert made.dump() != before, "the last one did not fail"
    assert made.last().act == (made.proposal(1)[1] if isinstance(change, Approve) else acts.digest(command.octets))


# --- rehearsals ---


def changes(made: Chamber):
    """Return a change of each kind that can be rehearsed here, by whom, and with what proof."""
    alice, bob, until_ms = made.alice, made.bob, made.now_ms + YEAR_MS
    made.hold(made.carol.account, Role.PLATFORM_OPERATOR)
    made.hold(bob.account, Role.VERIFIER, 2)
    made.unit(6)
    erin = made.person("erin@u1.example", 2, Standing.VERIFIED)
    frank = made.person("frank@u1.example")
    grace = made.person("grace@new.example")
    made.unit(8, 2)
    return [
        (alice, CreateUnit(2, "Registry"), ()), (alice, RenameUnit(2, "Records"), ()),
        (alice, RenameUnit(1, "All"), ()),
        (alice, GrantRole(2, bob.account, Role.BROADCASTER, until_ms), ()),
        (alice, RevokeRole(2, bob.account, Role.VERIFIER), ()),
        (alice, InviteMember(2, "new@u1.example", Standing.INVITED, 3_600), ()),
        (alice, PlaceMember(2, frank, Standing.INVITED), ()), (alice, PlaceMember(2, erin, Standing.PUBLIC), ()),
        (alice, HandOver(2, bob.account, erin), ()),
        (made.carol, SuspendOrganisation(1, True), ()), (made.carol, MergeOrganisation(6, 1), ()),
        (made.carol, founding("New", "new.example", grace, until_ms=until_ms), ("new.example",)),
    ]  # fmt: skip


def test_a_rehearsal_changes_nothing_but_the_log(made: Chamber) -> None:
    for who, change, proven in changes(made):
        before, records = made.dump(without=ADMINISTRATIVE), len(made.records())

        done = made.act(who, change, *proven, rehearsal=True)

        assert isinstance(done, Acted), change
        assert (done.state, done.value, done.ticket) == (ActState.REHEARSED, 0, b"")
        assert made.dump(without=ADMINISTRATIVE) == before
        assert len(made.records()) == records + 1
        assert (made.last().state, made.last().value) == (ActState.REHEARSED, 0)
        assert (made.last().before, made.last().after) == (b"", b"")


def test_nobody_fills_the_log_with_rehearsals(made: Chamber) -> None:
    change = RenameUnit(2, "Registry")

    done = [made.act(made.alice, change, rehearsal=True) for _ in range(denials.DENIALS_MAX + 3)]

    assert [one.record > 0 for one in done] == [True] * denials.DENIALS_MAX + [False] * 3
    assert len(made.records()) == denials.DENIALS_MAX
    assert made.act(made.alice, change).record == denials.DENIALS_MAX + 1, "what is done is always written"


def test_a_rehearsal_leaves_mailboxes_and_senders_in_memory(made: Chamber) -> None:
    kept = made.store.act(lambda commit: (commit.mailbox(made.bob.seat.row), commit.sender(made.bob.seat.row)))

    made.act(made.alice, RenameUnit(2, "Registry"), rehearsal=True)

    again = made.store.act(lambda commit: (commit.mailbox(made.bob.seat.row), commit.sender(made.bob.seat.row)))
    assert [one is other for one, other in zip(kept, again, strict=True)] == [True, True]


def test_a_rehearsal_leaves_nothing_in_memory(made: Chamber) -> None:
    party = made.store.act(lambda commit: commit.party(made.bob.account))

    made.act(made.alice, PlaceMember(1, made.bob.account, Standing.INVITED), rehearsal=True)

    assert made.store.act(lambda commit: commit.party(made.bob.account)) == party
    assert made.store.act(lambda commit: commit.require(made.alice.seat)) is None


def test_a_rehearsal_is_denied_like_the_act_itself(made: Chamber) -> None:
    before = made.dump(without=ADMINISTRATIVE)

    assert made.act(made.bob, CreateUnit(2, "x"), rehearsal=True) is Code.NOT_PERMITTED
    assert made.act(made.alice, CreateUnit(1, "unit 2"), rehearsal=True) is Code.CONFLICT

    assert made.dump(without=ADMINISTRATIVE) == before
    assert [record.code for record in made.records()] == [Code.NOT_PERMITTED, Code.CONFLICT]


def test_what_is_rehearsed_is_no_act(made: Chamber) -> None:
    act = instruction(made.alice, CreateUnit(2, "Registry"), made.now_ms, rehearsal=True)
    command = signed(made.alice, act)
    for_real = acts.encode(instruction(made.alice, CreateUnit(2, "Registry"), made.now_ms, number=act.number))
    assert isinstance(made.perform(made.alice, command), Acted)

    assert made.perform(made.alice, Act(for_real, command.signature)) is Code.BAD_SIGNATURE
    assert isinstance(made.act(made.alice, CreateUnit(2, "Registry"), number=act.number), Acted), "the number is free"


# --- the broken glass ---


def _break_glass(made: Chamber, address: str = "carol@gad.example", ttl_s: int = 3_600):
    came = made.store.act(lambda commit: store_acts.break_glass(commit, address, ttl_s, "nobody is there"))
    if isinstance(came, Exception):
        raise came
    return came


def test_the_local_operator_makes_an_operator_for_a_while(made: Chamber) -> None:
    acted, account = _break_glass(made)

    assert (acted.state, acted.record, account) == (ActState.DONE, 1, made.carol.account)
    assert made.held(made.carol.account) == {(Role.PLATFORM_OPERATOR, PLATFORM)}
    record = made.last()
    assert (record.kind, record.unit, record.account) == (Kind.BREAK_GLASS, PLATFORM, NOBODY)
    assert (record.whom, record.detail, record.value) == (made.carol.account, Role.PLATFORM_OPERATOR, 3_600)
    assert record.reason == "nobody is there"
    made.sweep(3_600)
    assert made.held(made.carol.account) == set()


def test_an_emergency_shortens_no_regular_grant(made: Chamber) -> None:
    made.hold(made.carol.account, Role.PLATFORM_OPERATOR, PLATFORM, made.now_ms + YEAR_MS)

    _break_glass(made)

    assert made.db.execute("SELECT until_ms FROM held_role WHERE role = 1").fetchall() == [(made.now_ms + YEAR_MS,)]


@pytest.mark.parametrize("why", ["auditor", "office", "application", "suspended", "organisation"])
def test_the_glass_is_broken_for_a_person_whose_role_counts_and_for_no_auditor(made: Chamber, why: str) -> None:
    if why == "auditor":
        made.hold(made.bob.account, Role.AUDITOR, 1)
    elif why in {"office", "application"}:
        made.place(made.bob, 2, Standing[why.upper()])
    elif why == "suspended":
        made.db.execute("UPDATE account SET suspended = 1 WHERE account = ?", (made.bob.account,))
    else:
        made.db.execute("UPDATE unit SET state = ? WHERE id = 1", (UnitState.SUSPENDED,))
    before = made.dump()

    with pytest.raises(Refusal) as refused:
        _break_glass(made, "bob@gad.example")

    assert refused.value.code is Code.CONFLICT
    assert made.dump() == before


def test_there_is_no_operator_without_an_account(made: Chamber) -> None:
    with pytest.raises(Refusal) as refused:
        _break_glass(made, "nobody@gad.example")

    assert refused.value.code is Code.NOT_AVAILABLE
    assert made.records() == []


def test_the_first_two_operators_let_an_organisation_in(made: Chamber) -> None:
    _break_glass(made)
    _break_glass(made, "bob@gad.example")
    admin = made.person("grace@new.example")
    change = founding("New", "new.example", admin, until_ms=made.now_ms + YEAR_MS)

    proposed = made.act(made.carol, change, "new.example")
    _, digest = made.proposal(proposed.value)
    assert made.act(made.bob, Approve(proposed.value, digest)) is Code.NOT_PROVEN, "it is looked up again"
    done = made.act(made.bob, Approve(proposed.value, digest), "new.example")

    assert done.state is ActState.DONE
    assert made.held(admin) == {(Role.ORGANISATION_ADMIN, done.value)}
    assert made.db.execute("SELECT state FROM unit WHERE id = ?", (done.value,)).fetchone() == (UnitState.ACTIVE,)


def test_a_domain_is_looked_up_for_operators_alone(made: Chamber) -> None:
    change = founding("New", "new.example", made.person("grace@new.example"), until_ms=made.now_ms + YEAR_MS)
    asked = signed(made.carol, instruction(made.carol, change, made.now_ms))
    to_prove = store_acts.domain_to_prove
    assert to_prove(made.view, made.carol.account, asked) is None

    for who in (made.bob, made.carol):
        made.hold(who.account, Role.PLATFORM_OPERATOR)

    assert to_prove(made.view, made.carol.account, asked) == change
    assert to_prove(made.view, bytes(32), asked) is None
    assert to_prove(made.view, made.carol.account, Act(b"rubbish", bytes(64))) is None
    proposed = made.act(made.carol, change, "new.example")
    for said, found in (
        (Approve(proposed.value, bytes(32)), change), (Approve(99, bytes(32)), None), (Withdraw(proposed.value), None),
        (CreateUnit(2, "x"), None),
    ):  # fmt: skip
        command = signed(made.bob, instruction(made.bob, said, made.now_ms))
        assert to_prove(made.view, made.bob.account, command) == found


# --- what is over ---


def test_the_sweep_ends_what_is_over(made: Chamber) -> None:
    made.hold(made.bob.account, Role.VERIFIER, 2, made.now_ms + 1000)
    for _ in range(denials.DENIALS_MAX + 3):
        made.act(made.bob, RenameUnit(2, "Mine"))

    made.sweep(3_600)

    assert made.db.execute("SELECT count(*) FROM held_role WHERE role = ?", (Role.VERIFIER,)).fetchone() == (0,)
    assert (made.last().code, made.last().value) == (Code.RATE, 3)


def test_every_change_has_its_verb() -> None:
    assert {*ALL_VERBS, Kind.APPROVE, Kind.WITHDRAW} == set(CHANGES)


def test_the_numbers_of_acts_can_t_be_used_up(made: Chamber) -> None:
    first = made.act(made.alice, RenameUnit(2, "One"), number=5)
    far = made.act(made.alice, RenameUnit(2, "Far"), number=5 + ACT_STEP_MAX + 1)
    farthest = made.act(made.alice, RenameUnit(2, "Farthest"), number=5 + ACT_STEP_MAX)

    assert isinstance(first, Acted)
    assert far is Code.LIMIT
    assert isinstance(farthest, Acted)
