"""Who may do what (issue 5, J1): every change and question x every role x where it is held, executed for real.

What is expected stands here in words of its own, taken from spec 70 §4 and not from the registry that the relay checks
against. A kind that is in neither table fails.
"""

import itertools
from typing import NamedTuple

import pytest

from relayd.domain.lifetimes import day
from relayd.domain.lookalikes import look
from relayd.store.acts import ALL_VERBS
from relayd.store.rosters import PLACE_BITS
from relayproto import rootkeys
from relayproto.administration import (
    CHANGES,
    QUESTIONS,
    Approve,
    AssignOffice,
    Change,
    CloseUnit,
    CreateUnit,
    GetAudit,
    GetCheckpoints,
    GetDocument,
    GetProposals,
    GetRoles,
    GetUnits,
    GrantRole,
    HandOver,
    InviteMember,
    MergeOrganisation,
    MoveUnit,
    PlaceMember,
    PutDocument,
    Question,
    RenameUnit,
    RevokeRole,
    RotateKey,
    SuspendOrganisation,
    Withdraw,
)
from relayproto.administration_replies import Acted
from relayproto.codes import Code, Kind
from relayproto.primitives import blake2b_256, ed25519_public
from relayproto.rosters import (
    GetClaim,
    GetClaims,
    GetRoster,
    ImportRoster,
    Person,
    RefuseClaim,
    StrikeLine,
    digest,
)
from relayproto.rules import RULES
from relayproto.standing import PLATFORM, ActState, ClaimState, Field, Role, Standing, Where
from relayproto.statistics import GetStatistics
from relayproto.verification import GetOrganisation, GetRevocations, RevokeAttestation, RevokeWarrant
from support.attesting import DAY_MS, VERIFIER_SEED, attest, attested, put_warrant, warrant
from support.officers import YEAR_MS, Chamber, chamber
from support.organisations import RELAY, founding

ROOT, DEPARTMENT, OWN, BELOW, SIBLING, OTHER = 1, 2, 3, 4, 5, 6
"""1 > 2 > 3 > 4, and 5 beside 3; 6 is another organisation."""
PLACES = (PLATFORM, ROOT, DEPARTMENT, OWN, BELOW, SIBLING, OTHER)
ABOVE = {PLATFORM: set(), ROOT: {ROOT}, OWN: {OWN, DEPARTMENT, ROOT}}
"""Unit in question -> where a role of the organisation's own reaches it from."""

OPERATOR, ADMIN, UNIT, VERIFIER, AUDITOR, KEYS = (
    Role.PLATFORM_OPERATOR, Role.ORGANISATION_ADMIN, Role.UNIT_ADMIN, Role.VERIFIER, Role.AUDITOR, Role.KEY_HOLDER,
)  # fmt: skip
ADMINS, STAFF = {ADMIN, UNIT}, {ADMIN, UNIT, VERIFIER}
GRANTED = {
    OPERATOR: {OPERATOR}, ADMIN: {ADMIN, OPERATOR}, UNIT: ADMINS, VERIFIER: ADMINS, Role.BROADCASTER: ADMINS,
    Role.GROUP_ADMIN: ADMINS, Role.APPLICATION_OWNER: ADMINS, Role.STATISTICS_VIEWER: ADMINS | {OPERATOR},
    AUDITOR: {ADMIN, OPERATOR},
    Role.ABUSE_OFFICER: {ADMIN, OPERATOR}, KEYS: {ADMIN},
}  # fmt: skip
"""Who gives and takes a role."""
HELD_OVER_THE_PLATFORM = {OPERATOR, Role.STATISTICS_VIEWER, AUDITOR, Role.ABUSE_OFFICER}


class May(NamedTuple):
    """Who may change something, over the platform alone or not, and who has to approve it.

    That is always, at a root, or where it is more than one person may do alone.
    """

    by: set[Role]
    platform: bool = False
    approved_by: frozenset[Role] | set[Role] = frozenset()
    everywhere: bool = False
    in_bulk: bool = False


CHANGE_RULES = {
    Kind.CREATE_ORGANISATION: May({OPERATOR}, True, {OPERATOR}, True),
    Kind.SUSPEND_ORGANISATION: May({OPERATOR}, True, {OPERATOR}, True),
    Kind.MERGE_ORGANISATION: May({OPERATOR}, True, {OPERATOR}, True),
    Kind.HAND_OVER: May(ADMINS, approved_by=ADMINS | {OPERATOR}, everywhere=True),
    Kind.ROTATE_KEY: May({KEYS}, approved_by={ADMIN, KEYS}, everywhere=True),
    Kind.CREATE_UNIT: May(ADMINS),
    Kind.RENAME_UNIT: May(ADMINS, approved_by={ADMIN}),
    Kind.MOVE_UNIT: May(ADMINS),
    Kind.CLOSE_UNIT: May(ADMINS, approved_by={ADMIN}),
    Kind.GRANT_ROLE: May(ADMINS | {OPERATOR}, approved_by={ADMIN, OPERATOR}),
    Kind.REVOKE_ROLE: May(ADMINS | {OPERATOR}, approved_by={ADMIN, OPERATOR}),
    Kind.INVITE_MEMBER: May(STAFF),
    Kind.PLACE_MEMBER: May(STAFF),
    Kind.ASSIGN_OFFICE: May(ADMINS),
    Kind.PUT_DOCUMENT: May(ADMINS | {OPERATOR}, approved_by={ADMIN, OPERATOR}),
    Kind.PUT_WARRANT: May({ADMIN, KEYS}),
    Kind.REVOKE_WARRANT: May({ADMIN, KEYS}),
    Kind.ATTEST: May(STAFF, approved_by=STAFF, in_bulk=True),
    Kind.REVOKE_ATTESTATION: May(STAFF),
    Kind.IMPORT_ROSTER: May(STAFF, approved_by=STAFF, in_bulk=True),
    Kind.STRIKE_LINE: May(STAFF),
    Kind.REFUSE_CLAIM: May(STAFF),
    Kind.APPROVE: May(set()),
    Kind.WITHDRAW: May(set()),
}
"""The two of proposals are tried below: what they need is what their proposal needs."""
QUESTION_RULES = {
    Kind.GET_UNITS: set(Role),
    Kind.GET_ROLES: ADMINS | {AUDITOR, OPERATOR},
    Kind.GET_DOCUMENT: set(Role),
    Kind.GET_PROPOSALS: STAFF | {AUDITOR, OPERATOR, KEYS},
    Kind.GET_AUDIT: {AUDITOR},
    Kind.GET_CHECKPOINTS: None,
    Kind.GET_ORGANISATION: None,
    Kind.GET_REVOCATIONS: None,
    Kind.GET_STATISTICS: {ADMIN, OPERATOR, Role.STATISTICS_VIEWER},
    Kind.GET_RETENTION: None,
    Kind.GET_ROSTER: STAFF,
    Kind.GET_CLAIMS: STAFF,
    Kind.GET_CLAIM: None,
}
"""None: anybody."""


def reaches(role: Role, over: int, unit: int, *, change: bool) -> bool:
    """Say whether a role held over a unit reaches another, whatever it allows there."""
    if over == PLATFORM:
        return unit == PLATFORM or (change and role is OPERATOR and unit in (ROOT, OTHER))
    return over in ABOVE[unit]


def may(role: Role, over: int, change: Change) -> bool:
    rule = CHANGE_RULES[change.KIND]
    by = rule.by & GRANTED[change.role] if isinstance(change, GrantRole | RevokeRole) else rule.by
    unit = PLATFORM if rule.platform else change.unit
    if isinstance(change, MoveUnit):
        # Both units, and whence it is taken, must be his: for unit 3 under 5 those above both alone.
        return role in by and over in ({DEPARTMENT, ROOT} if unit == OWN else {ROOT})
    return role in by and reaches(role, over, unit, change=True)


def needs_second(change: Change) -> bool:
    rule = CHANGE_RULES[change.KIND]
    if isinstance(change, RevokeRole):
        return change.role is AUDITOR
    if rule.in_bulk:
        return False
    at_root = not rule.platform and change.unit in (ROOT, PLATFORM)
    return bool(rule.approved_by) and (rule.everywhere or at_root)


@pytest.fixture(scope="module")
def world():
    with chamber() as made:
        for number, under in ((ROOT, 0), (DEPARTMENT, ROOT), (OWN, 2), (BELOW, OWN), (SIBLING, 2), (OTHER, 0)):
            made.unit(number, under)
        made.db.execute("UPDATE organisation SET root_key = ? WHERE unit = ?", (ed25519_public(b"k" * 32), ROOT))
        for who, unit in ((made.alice, OWN), (made.bob, OWN), (made.carol, OTHER)):
            made.place(who, unit)
        for unit in (ROOT, OWN):
            made.person(f"dave{unit}@u1.example", unit, Standing.VERIFIED)
            made.person(f"office{unit}@u1.example", unit, Standing.OFFICE)
            giver = made.person(f"erin{unit}@u1.example", unit, Standing.VERIFIED)
            made.hold(giver, VERIFIER, unit)
            attestable(made, unit, giver)
            rostered(made, unit)
        made.person("frank@u1.example")
        made.person("grace@new.example")
        for unit, role in itertools.product((PLATFORM, ROOT, OWN), Role):
            made.hold(made.person(f"holder{unit}-{role}@u1.example", ROOT, Standing.VERIFIED), role, unit)
        yield made


def attestable(made: Chamber, unit: int, verifier: bytes) -> None:
    """Let alice attest for a unit, a verifier have a device, and dave be attested already."""
    db, serial, now_ms = made.db, b"%d" % unit * 16, made.now_ms
    own = warrant(
        organisation=ROOT, unit=unit, account=made.alice.account, serial=serial, not_before_ms=now_ms - DAY_MS,
        expires_ms=now_ms + 9 * DAY_MS, key=ed25519_public(made.alice.keys[1][1]),
    )  # fmt: skip
    put = put_warrant(own, b"k" * 32)
    db.execute(
        "INSERT INTO warrant (serial, organisation, expires_ms, warrant, signature) VALUES (?, ?, ?, ?, ?)",
        (serial, ROOT, own.expires_ms, put.warrant, put.signature),
    )
    db.execute(
        "INSERT INTO device (account, device, dh_key, sign_key)"
        " VALUES ((SELECT id FROM account WHERE account = ?), 1, x'', ?)",
        (verifier, ed25519_public(VERIFIER_SEED)),
    )
    db.execute(
        "INSERT INTO attestation (account, serial, warrant, expires_ms, proof)"
        " VALUES ((SELECT id FROM account WHERE account = ?), ?, zeroblob(16), ?, x'')",
        (made.known[f"dave{unit}@u1.example"], serial, now_ms + DAY_MS),
    )


def rostered(made: Chamber, unit: int) -> None:
    """Let alice stage a roster of a unit, another be in force there, and somebody claim to be of it."""
    db, alice = made.db, made.alice.account
    for name, force, address in ((b"s", 0, "new"), (b"f", unit, "old")):
        person = expected_of(address, unit)
        staged = db.execute(
            "INSERT INTO roster (unit, account, name, sent, kept, digest, force, until_ms)"
            " VALUES (?, (SELECT id FROM account WHERE account = ?), ?, 1, 1, ?, ?, ?)",
            (
                unit,
                alice,
                name * 15 + bytes([unit]),
                digest([person]),
                force,
                made.now_ms + YEAR_MS,
            ),
        ).lastrowid
        db.execute(
            "INSERT INTO roster_line (id, look, address, name, title) VALUES (?, ?, ?, '', '')",
            (staged << PLACE_BITS, look(person.address), person.address),
        )
    claimant = made.person(f"claimant{unit}@u1.example")
    db.execute(
        "INSERT INTO claim (account, unit, state, name, title, rostered, until_ms)"
        " VALUES ((SELECT id FROM account WHERE account = ?), ?, ?, '', '', 0, ?)",
        (claimant, unit, ClaimState.WAITING, made.now_ms + YEAR_MS),
    )


def expected_of(name: str, unit: int) -> Person:
    return Person(f"{name}{unit}@u1.example", "", "")


def changes_of(made: Chamber, unit: int) -> list[Change]:
    """Return one of each change over a unit of the organisation, and for each role."""
    known, until_ms = made.known, made.now_ms + YEAR_MS
    dave, office, erin = (known[f"{name}{unit}@u1.example"] for name in ("dave", "office", "erin"))
    new_key = b"n" * 32
    return [
        HandOver(unit, erin, dave),
        RotateKey(
            unit, ed25519_public(new_key), rootkeys.sign_successor(b"k" * 32, RELAY, unit, ed25519_public(new_key)),
            rootkeys.sign_successor(new_key, RELAY, unit, ed25519_public(new_key)),
        ),
        CreateUnit(unit, "a new one"), RenameUnit(unit, "another name"), MoveUnit(unit, SIBLING), CloseUnit(unit),
        InviteMember(unit, "new@u1.example", Standing.INVITED, 3_600),
        PlaceMember(unit, known["frank@u1.example"], Standing.INVITED), AssignOffice(unit, office, dave, True),
        PutDocument(unit, b"a document", b"s" * 64), *verification_of(made, unit),
        ImportRoster(unit, b"s" * 15 + bytes([unit]), 1, digest([expected_of("new", unit)])),
        StrikeLine(unit, f"old{unit}@u1.example"), RefuseClaim(unit, known[f"claimant{unit}@u1.example"]),
        *[GrantRole(unit, dave, role, until_ms) for role in Role],
        *[RevokeRole(unit, known[f"holder{unit}-{role}@u1.example"], role) for role in Role],
    ]  # fmt: skip


def verification_of(made: Chamber, unit: int) -> list[Change]:
    """Return changes of what is attested: a warrant for erin, one of alice's, dave's end, and frank."""
    dave, erin = (made.known[f"{name}{unit}@u1.example"] for name in ("dave", "erin"))
    times = {"not_before_ms": made.now_ms, "expires_ms": made.now_ms + DAY_MS}
    root, frank = blake2b_256(ed25519_public(b"k" * 32)), made.known["frank@u1.example"]
    under = warrant(organisation=ROOT, unit=unit, account=erin, serial=b"n" * 16, **times)
    said = attested(root=root, organisation=ROOT, account=frank, warrant=b"%d" % unit * 16, **times)
    texts = {Field.UNIT: str(unit), Field.ADDRESS: "frank@u1.example"}
    return [
        put_warrant(under, b"k" * 32), RevokeWarrant(unit, b"%d" % unit * 16), RevokeAttestation(unit, dave),
        attest(said, made.alice.keys[1][1], texts=texts),
    ]  # fmt: skip


def changes_of_the_platform(made: Chamber) -> list[Change]:
    known = made.known
    return [
        founding("A new one", "new.example", known["grace@new.example"], until_ms=made.now_ms + YEAR_MS),
        SuspendOrganisation(ROOT, True), MergeOrganisation(OTHER, ROOT),
        PutDocument(PLATFORM, b"a document", b"s" * 64),
        *[GrantRole(PLATFORM, known["frank@u1.example"], role, made.now_ms + YEAR_MS) for role in Role],
        *[RevokeRole(PLATFORM, known[f"holder{PLATFORM}-{role}@u1.example"], role) for role in Role],
    ]  # fmt: skip


def own_code(change: Change) -> Code | None:
    """Return with what a change is denied for a reason of its own, whoever asks for it; None: it can be done."""
    match change:
        case GrantRole(unit, _, role, _) if (
            role not in HELD_OVER_THE_PLATFORM if unit == PLATFORM else role is OPERATOR
        ):
            return Code.NOT_PERMITTED
        case PutDocument():
            return Code.BAD_SIGNATURE
        case RotateKey(unit) if unit != ROOT:
            return Code.CONFLICT
        case MoveUnit(unit) | CloseUnit(unit) if unit == ROOT or isinstance(change, CloseUnit):
            return Code.CONFLICT
        case _:
            return None


def expected(role: Role, over: int, change: Change) -> Code | ActState:
    if not may(role, over, change):
        return Code.NOT_PERMITTED
    code = own_code(change)
    if code is not None:
        return code
    return ActState.PROPOSED if needs_second(change) else ActState.DONE


def test_every_kind_has_a_rule_a_verb_and_an_expectation() -> None:
    assert CHANGE_RULES.keys() == set(CHANGES)
    assert QUESTION_RULES.keys() == set(QUESTIONS)
    assert RULES.keys() >= {*CHANGES, *QUESTIONS}
    assert {Kind(kind) for kind in CHANGES} - ALL_VERBS.keys() == {Kind.APPROVE, Kind.WITHDRAW}


def test_every_kind_is_among_what_is_tried(world: Chamber) -> None:
    tried = {change.KIND for unit in (ROOT, OWN) for change in changes_of(world, unit)}
    tried |= {change.KIND for change in changes_of_the_platform(world)}

    assert tried | {Kind.APPROVE, Kind.WITHDRAW} == set(CHANGES)
    questions = {question.KIND for question in questions_of(OWN)}
    assert questions | {Kind.GET_RETENTION} == set(QUESTIONS)
    assert RULES[Kind.GET_RETENTION].where is Where.ANYBODY, "the service answers it without looking at who asks"


@pytest.mark.slow
@pytest.mark.parametrize("over", PLACES)
@pytest.mark.parametrize("role", Role)
def test_a_change_is_made_exactly_where_the_role_reaches(world: Chamber, role: Role, over: int) -> None:
    alice = world.alice
    world.hold(alice.account, role, over)
    before, wrong = world.dump(), []

    for change in (*changes_of(world, ROOT), *changes_of(world, OWN), *changes_of_the_platform(world)):
        came = world.tried(alice, change, "new.example", number=1)
        outcome = came.state if isinstance(came, Acted) else came
        if outcome is not expected(role, over, change):
            wrong.append((change, outcome, expected(role, over, change)))

    after = world.dump()
    world.drop(alice.account)
    assert wrong == []
    assert after == before, "the test itself takes everything back"


def test_who_holds_nothing_changes_nothing(world: Chamber) -> None:
    for change in (*changes_of(world, ROOT), *changes_of(world, OWN), *changes_of_the_platform(world)):
        assert world.tried(world.alice, change, "new.example", number=1) is Code.NOT_PERMITTED


PROPOSED = [
    (kind, unit) for kind, rule in CHANGE_RULES.items() for unit in (PLATFORM, ROOT, OWN)
    if rule.approved_by and not rule.in_bulk and rule.platform == (unit == PLATFORM)
    and (rule.everywhere or unit != OWN)
    and kind not in (Kind.PUT_DOCUMENT, Kind.CLOSE_UNIT) and (kind, unit) != (Kind.ROTATE_KEY, OWN)
] + [
    (Kind.GRANT_ROLE, PLATFORM), (Kind.REVOKE_ROLE, PLATFORM), (Kind.REVOKE_ROLE, OWN), (Kind.IMPORT_ROSTER, ROOT),
    (Kind.IMPORT_ROSTER, OWN), (Kind.ATTEST, OWN),
]  # fmt: skip
"""Changes that wait for a second person, and over which unit; those that can be done at all."""


def author_of(kind: Kind, unit: int) -> tuple[Role, int]:
    if unit == PLATFORM:
        return OPERATOR, PLATFORM
    return (KEYS if kind is Kind.ROTATE_KEY else ADMIN), ROOT


def second_persons(kind: Kind, unit: int) -> set[Role] | frozenset[Role]:
    """Return who approves: the role that is handed over, whoever could grant it, or approve that at a root."""
    by = CHANGE_RULES[kind].approved_by
    granting = {ADMIN, OPERATOR} if unit == ROOT else GRANTED[VERIFIER]
    return by & granting if kind is Kind.HAND_OVER else by


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "unit"), PROPOSED)
def test_a_proposal_is_approved_and_withdrawn_exactly_by_whom_it_says(world: Chamber, kind: Kind, unit: int) -> None:
    every = changes_of_the_platform(world) if unit == PLATFORM else changes_of(world, unit)
    in_bulk = CHANGE_RULES[kind].in_bulk
    change = next(
        one
        for one in every
        if kind == one.KIND and own_code(one) is None and (in_bulk or needs_second(one))
        and may(*author_of(kind, unit), one)
    )  # fmt: skip
    if in_bulk:
        world.db.execute(
            "INSERT INTO alone (account, kind, day, amount) SELECT id, ?, ?, 1000 FROM account WHERE account = ?",
            (kind, day(world.now_ms), world.alice.account),
        )
    copy = world.dump(without=("alone",))
    world.hold(world.alice.account, *author_of(kind, unit))
    proposed = world.act(world.alice, change, "new.example")
    assert isinstance(proposed, Acted)
    assert proposed.state is ActState.PROPOSED
    _, digest = world.proposal(proposed.value)
    wrong = []

    for role, over in itertools.product(Role, PLACES):
        world.hold(world.bob.account, role, over)
        reached = reaches(role, over, unit, change=True)
        for said, by in (
            (Approve(proposed.value, digest), second_persons(kind, unit)),
            (Withdraw(proposed.value), CHANGE_RULES[kind].approved_by),
        ):
            allowed = role in by and reached
            came = world.tried(world.bob, said, "new.example", number=1000)
            if (came.state if isinstance(came, Acted) else came) is not (
                ActState.DONE if allowed else Code.NOT_PERMITTED
            ):
                wrong.append((said, role, over, came))
        world.drop(world.bob.account)

    for table in ("proposal", "audit", "alone"):
        world.db.execute(f"DELETE FROM {table}")
    world.db.execute("DELETE FROM sqlite_sequence WHERE name = 'proposal'")
    world.db.execute("UPDATE account SET act = 0")
    world.drop(world.alice.account)
    assert wrong == []
    assert len(world.dump()) == len(copy), "what was proposed has changed nothing"


def questions_of(unit: int) -> list[Question]:
    return [
        GetUnits(unit, 0, 9), GetRoles(unit, 0, 9), GetDocument(unit, None), GetProposals(unit, 0, 9),
        GetAudit(unit, 0, 9), GetCheckpoints(0, 9), GetOrganisation(ROOT), GetRevocations(0, 9),
        GetStatistics(unit, 0, 9), GetRoster(unit, b"", 0, 9), GetClaims(unit, 0, 9), GetClaim(),
    ]  # fmt: skip


@pytest.mark.parametrize("role", [None, *Role])
def test_a_question_is_answered_exactly_where_the_role_reaches(world: Chamber, role: Role | None) -> None:
    carol, wrong = world.carol, []

    for over in PLACES:
        if role is not None:
            world.hold(carol.account, role, over)
        for unit in (PLATFORM, ROOT, OWN):
            for question in questions_of(unit):
                by = QUESTION_RULES[question.KIND]
                # Everybody may read what the platform says; carol belongs to the other organisation.
                allowed = by is None or (isinstance(question, GetDocument) and unit == PLATFORM)
                if role is not None and by is not None:
                    allowed |= role in by and reaches(role, over, unit, change=False)
                if (world.ask(carol.account, question) is Code.NOT_PERMITTED) == allowed:
                    wrong.append((question, role, over))
        world.drop(carol.account)

    assert wrong == []


@pytest.mark.parametrize(
    ("unit", "reads"), [(PLATFORM, True), (ROOT, True), (OWN, True), (BELOW, False), (OTHER, False)]
)
def test_who_belongs_to_a_unit_reads_its_document_and_those_above_it(world: Chamber, unit: int, reads: bool) -> None:
    answer = world.ask(world.alice.account, GetDocument(unit, None))

    assert (answer is not Code.NOT_PERMITTED) is reads


@pytest.mark.parametrize("role", Role)
def test_no_role_works_where_its_organisation_is_suspended(role: Role) -> None:
    with chamber() as made:
        for number, under in ((ROOT, 0), (OWN, ROOT)):
            made.unit(number, under)
        made.db.execute("UPDATE unit SET state = 2 WHERE id = ?", (ROOT,))
        made.place(made.alice, OWN)
        made.hold(made.alice.account, role, ROOT)

        for change in (CreateUnit(OWN, "x"), RenameUnit(ROOT, "y"), InviteMember(OWN, "z@u1.example", 1, 60)):
            assert made.tried(made.alice, change, number=1) is Code.NOT_PERMITTED
        assert made.ask(made.alice.account, GetUnits(ROOT, 0, 9)) is Code.NOT_PERMITTED


def test_the_operators_let_a_suspended_organisation_work_again() -> None:
    with chamber() as made:
        made.unit(ROOT)
        for who in (made.alice, made.bob):
            made.hold(who.account, OPERATOR)
        first = made.act(made.alice, SuspendOrganisation(ROOT, True))
        made.act(made.bob, Approve(first.value, made.proposal(first.value)[1]))
        assert made.db.execute("SELECT state FROM unit").fetchone() == (2,)

        second = made.act(made.alice, SuspendOrganisation(ROOT, False))
        lifted = made.act(made.bob, Approve(second.value, made.proposal(second.value)[1]))

        assert lifted.state is ActState.DONE
        assert made.db.execute("SELECT state FROM unit").fetchone() == (1,)


@pytest.mark.parametrize(
    "favour",
    [
        lambda unit, me, until: GrantRole(unit, me, VERIFIER, until),
        lambda unit, me, until: PlaceMember(unit, me, Standing.INVITED),
        lambda unit, me, until: PlaceMember(unit, me, Standing.PUBLIC),
        lambda unit, me, until: HandOver(unit, bytes(32), me),
    ],
)
def test_nobody_gives_anything_to_himself(favour) -> None:
    with chamber() as made:
        made.unit(ROOT)
        made.place(made.alice, ROOT)
        for role in (ADMIN, OPERATOR):
            made.hold(made.alice.account, role, PLATFORM if role is OPERATOR else ROOT)

        assert made.act(made.alice, favour(ROOT, made.alice.account, made.now_ms + 1)) is Code.NOT_PERMITTED
        founded = founding("New", "new.example", made.alice.account, until_ms=made.now_ms + 1)
        assert made.act(made.alice, founded, "new.example") is Code.NOT_PERMITTED


@pytest.mark.parametrize("role", Role)
def test_ones_own_role_may_be_laid_down_and_nobody_elses(role: Role) -> None:
    with chamber() as made:
        made.unit(ROOT)
        made.unit(OWN, ROOT)
        made.hold(made.alice.account, role, OWN)

        assert made.act(made.alice, RevokeRole(ROOT, made.alice.account, role)) is Code.NOT_PERMITTED
        done = made.act(made.alice, RevokeRole(OWN, made.alice.account, role))

        assert done.state is ActState.DONE
        assert made.held(made.alice.account) == set()
        assert (made.last().role, made.last().over) == (role, OWN)
