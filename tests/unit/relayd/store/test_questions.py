import itertools

import pytest

from relayd.store import authority
from relayproto import acts, message
from relayproto.acts import Instruction
from relayproto.administration import (
    GetAudit,
    GetCheckpoints,
    GetDocument,
    GetProposals,
    GetRoles,
    GetUnits,
    GrantRole,
    HandOver,
    RenameUnit,
)
from relayproto.administration_replies import Checkpoints, Document, Grant, Units
from relayproto.codes import Code, Kind
from relayproto.limits import FRAME_BYTES_MAX
from relayproto.standing import PLATFORM, ActState, Role, Standing
from support.attesting import attest, attested
from support.officers import YEAR_MS, Chamber, chamber


@pytest.fixture
def made():
    """Alice is the admin of organisation 1 (units 2 and 3), bob its auditor, carol an operator; 6 is another."""
    with chamber() as opened:
        for number, under in ((1, 0), (2, 1), (3, 2), (6, 0)):
            opened.unit(number, under)
        for who, role, unit in (
            (opened.alice, Role.ORGANISATION_ADMIN, 1),
            (opened.bob, Role.AUDITOR, 1),
            (opened.carol, Role.PLATFORM_OPERATOR, PLATFORM),
        ):
            opened.place(who, unit)
            opened.hold(who.account, role, unit)
        yield opened


def test_roles_are_shown_with_those_below_and_in_pages(made: Chamber) -> None:
    erin = made.person("erin@u1.example", 3, Standing.VERIFIED)
    made.hold(erin, Role.VERIFIER, 3)
    made.hold(erin, Role.VERIFIER, 6)

    every = made.ask(made.alice.account, GetRoles(1, 0, 100))
    first = made.ask(made.alice.account, GetRoles(1, 0, 2))
    rest = made.ask(made.alice.account, GetRoles(1, first.grants[-1].number, 100))

    assert [(grant.unit, grant.address) for grant in every.grants] == [
        (1, "alice@gad.example"), (1, "bob@gad.example"), (3, "erin@u1.example"),
    ]  # fmt: skip
    assert every.grants[2] == Grant(
        every.grants[2].number, 3, erin, "erin@u1.example", Role.VERIFIER, made.now_ms + YEAR_MS
    )
    assert (first.more, rest.more, first.grants + rest.grants) == (True, False, every.grants)


def test_a_role_that_is_over_is_not_shown_any_more(made: Chamber) -> None:
    made.clock.advance(YEAR_MS / 1000 - 1)
    assert len(made.ask(made.alice.account, GetRoles(1, 0, 100)).grants) == 2
    made.hold(made.person("new@u1.example", 1), Role.ORGANISATION_ADMIN, 1)

    made.clock.advance(1)

    known = made.ask(made.known["new@u1.example"], GetRoles(1, 0, 100))
    assert [grant.address for grant in known.grants] == ["new@u1.example"]


def test_the_platform_s_roles_are_its_own(made: Chamber) -> None:
    shown = made.ask(made.carol.account, GetRoles(PLATFORM, 0, 100))

    assert [grant.account for grant in shown.grants] == [made.carol.account]
    assert made.ask(made.carol.account, GetRoles(1, 0, 100)) is Code.NOT_PERMITTED


def test_operators_see_what_waits_for_them_at_the_roots_and_nothing_else(made: Chamber) -> None:
    dave = made.person("dave@u1.example", 1, Standing.VERIFIED)
    erin = made.person("erin@u1.example", 3, Standing.VERIFIED)
    made.hold(erin, Role.VERIFIER, 3)
    until_ms = made.now_ms + YEAR_MS
    at_the_root = made.act(made.alice, GrantRole(1, dave, Role.ABUSE_OFFICER, until_ms))
    below = made.act(made.alice, HandOver(3, erin, dave))
    their_own = made.act(made.alice, RenameUnit(1, "Another name"))
    assert {each.state for each in (at_the_root, below, their_own)} == {ActState.PROPOSED}
    own = made.act(made.carol, GrantRole(PLATFORM, dave, Role.STATISTICS_VIEWER, until_ms))

    operators = made.proposals(made.carol.account, PLATFORM)
    admins = made.proposals(made.alice.account, 1)

    assert [shown.number for shown in operators] == [at_the_root.value, own.value]
    assert [shown.number for shown in admins] == [at_the_root.value, below.value, their_own.value]
    assert made.ask(made.carol.account, GetProposals(1, 0, 9)) is Code.NOT_PERMITTED


def test_a_page_of_proposals_fits_a_frame(made: Chamber, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relayd.store.proposals.PROPOSALS_EACH_MAX", 30)
    reason = "क" * 500
    for number in range(30):
        assert made.act(made.alice, RenameUnit(1, f"Name {number}"), reason=reason).state is ActState.PROPOSED
    after, seen = 0, []

    for _ in range(30):
        page = made.ask(made.alice.account, GetProposals(1, after, 100))
        assert len(message.encode(page, (1 << 32) - 1)) <= FRAME_BYTES_MAX
        seen += page.proposals
        after = seen[-1].number
        if not page.more:
            break

    assert len(seen) == 30
    assert len({shown.number for shown in seen}) == 30


def test_an_auditor_sees_his_own_organisation_s_records(made: Chamber) -> None:
    made.act(made.alice, RenameUnit(3, "Registry"))
    made.hold(made.alice.account, Role.ORGANISATION_ADMIN, 6)
    made.act(made.alice, RenameUnit(6, "Theirs"))
    made.drop(made.alice.account)

    seen = made.ask(made.bob.account, GetAudit(1, 0, 100))

    numbers = dict(made.db.execute("SELECT id, unit FROM audit"))
    assert numbers == {1: 3, 2: 6}
    plain = dict(made.db.execute("SELECT id, record FROM audit"))
    assert dict(seen.records)[1] == plain[1]
    assert plain[2] not in dict(seen.records).values()
    for who, unit in itertools.product((made.alice, made.carol), (PLATFORM, 1, 6)):
        assert made.ask(who.account, GetAudit(unit, 0, 9)) is Code.NOT_PERMITTED


def test_units_documents_and_checkpoints_are_asked_by_whom_the_rules_say(made: Chamber) -> None:
    assert isinstance(made.ask(made.bob.account, GetUnits(1, 0, 9)), Units)
    assert isinstance(made.ask(made.carol.account, GetUnits(PLATFORM, 0, 9)), Units)
    assert made.ask(made.bob.account, GetUnits(PLATFORM, 0, 9)) is Code.NOT_PERMITTED
    assert isinstance(made.ask(made.bob.account, GetDocument(1, None)), Document)
    assert made.ask(made.bob.account, GetDocument(6, None)) is Code.NOT_PERMITTED
    assert isinstance(made.ask(made.person("mallory@else.example"), GetCheckpoints(0, 9)), Checkpoints)


def test_who_has_no_account_is_answered_nothing(made: Chamber) -> None:
    assert made.ask(bytes(32), GetCheckpoints(0, 9)) is Code.NOT_PERMITTED


def attesting(made: Chamber) -> int:
    """Let an attestation wait that dora, a verifier of unit 2, has asked for; return its number."""
    dora = made.known["dora@u1.example"]
    act = Instruction(bytes(32), dora, 1, 1, 0, 1, "", rehearsal=False, change=attest(attested(organisation=1)))
    made.db.execute(
        "INSERT INTO proposal (unit, account, state, kind, expires_ms, digest, act) VALUES (2, ?, 1, ?, ?, x'', ?)",
        (authority.actor(made.view, dora).row, Kind.ATTEST, made.now_ms + YEAR_MS, acts.encode(act)),
    )
    return made.db.execute("SELECT max(id) FROM proposal").fetchone()[0]


def test_what_an_attestation_says_is_shown_to_who_may_approve_it_and_its_author(made: Chamber) -> None:
    dora = made.person("dora@u1.example", 2, Standing.VERIFIED)
    vera = made.person("vera@u1.example", 2, Standing.VERIFIED)
    keeper = made.person("keeper@u1.example", 2, Standing.VERIFIED)
    for account, role in ((vera, Role.VERIFIER), (keeper, Role.KEY_HOLDER), (dora, Role.KEY_HOLDER)):
        made.hold(account, role, 2)
    other = made.act(made.alice, RenameUnit(1, "Another name")).value
    number = attesting(made)

    seen = {
        name: [each.number for each in made.proposals(account, unit)]
        for name, account, unit in (
            ("admin above", made.alice.account, 1),
            ("verifier", vera, 2),
            ("author", dora, 2),
            ("key holder", keeper, 2),
            ("auditor", made.bob.account, 1),
        )
    }

    assert seen == {
        "admin above": [other, number], "verifier": [number], "author": [number], "key holder": [], "auditor": [other],
    }  # fmt: skip
    page = made.ask(made.bob.account, GetProposals(1, 0, 1))
    assert not page.more, "not even that there is another"
