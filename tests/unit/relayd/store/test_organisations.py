"""How organisations are let in, suspended and merged, and how their keys are replaced."""

import pytest

from relayd.domain.acting import Effect
from relayd.store import units
from relayproto import rootkeys
from relayproto.administration import (
    CloseUnit,
    CreateUnit,
    InviteMember,
    MergeOrganisation,
    RotateKey,
    SuspendOrganisation,
)
from relayproto.codes import Code
from relayproto.limits import GRANT_LIFETIME_S_MAX, UNIT_DEPTH_MAX
from relayproto.primitives import ed25519_public
from relayproto.standing import PLATFORM, Role, Standing, UnitState
from support.organisations import NOW_MS, RELAY, founding, other_key, registry, seed_of, tried
from support.stores import house


def test_an_organisation_comes_with_its_domain_its_key_and_its_first_admin(tmp_path) -> None:
    with registry(tmp_path) as desk:
        admin = desk.person("admin@gad.example")

        effect = desk.done(desk.operator(), founding("Administration", "gad.example", admin), "gad.example")

        root = effect.value
        assert units.node(desk.commit, root) == (root, 0, root, "Administration", UnitState.ACTIVE)
        assert desk.db.execute("SELECT * FROM organisation").fetchall() == [
            (root, ed25519_public(seed_of("gad.example")), b"f" * 32, NOW_MS)
        ]
        assert desk.db.execute("SELECT * FROM domain").fetchall() == [("gad.example", root)]
        assert (desk.belongs(admin), desk.held(admin)) == ((root, Standing.VERIFIED), {(Role.ORGANISATION_ADMIN, root)})
        assert (effect.unit, effect.before, len(effect.after)) == (root, b"", 32)


@pytest.mark.parametrize(
    ("changes", "proven", "code"),
    [
        ({"name": "a\x00b"}, "new.example", Code.CONFLICT),
        ({"name": "gad.example"}, "new.example", Code.CONFLICT),
        ({"name": "gad.examp1e"}, "new.example", Code.CONFLICT),
        ({"domain": "NEW.example"}, "NEW.example", Code.BAD_ADDRESS),
        ({"domain": "new"}, "new", Code.BAD_ADDRESS),
        ({"domain": "other.example"}, "other.example", Code.BAD_SIGNATURE),
        ({"owned": bytes(64)}, "new.example", Code.BAD_SIGNATURE),
        (
            {"owned": rootkeys.sign_domain(seed_of("new.example"), bytes(32), "new.example")},
            "new.example",
            Code.BAD_SIGNATURE,
        ),
        ({"root_key": ed25519_public(seed_of("gad.example"))}, "new.example", Code.BAD_SIGNATURE),
        (
            {
                "root_key": ed25519_public(seed_of("gad.example")),
                "owned": rootkeys.sign_domain(seed_of("gad.example"), RELAY, "new.example"),
            },
            "new.example",
            Code.CONFLICT,
        ),
        ({"domain": "gad.example", **other_key("gad.example")}, "gad.example", Code.CONFLICT),
        ({"domain": "gad.examp1e", **other_key("gad.examp1e")}, "gad.examp1e", Code.CONFLICT),
        ({}, "gad.example", Code.NOT_PROVEN),
        ({"admin": b"x" * 32}, "new.example", Code.NOT_PERMITTED),
        ({"until_ms": NOW_MS}, "new.example", Code.BAD_LIFETIME),
        ({"until_ms": NOW_MS + GRANT_LIFETIME_S_MAX * 1000 + 1}, "new.example", Code.BAD_LIFETIME),
    ],
)
def test_who_is_not_let_in(tmp_path, changes, proven: str, code: Code) -> None:
    with registry(tmp_path) as desk:
        desk.organisation()
        admin = desk.person("admin@new.example")

        assert desk.do(desk.operator(), founding("New", "new.example", admin, **changes), proven) is code


def test_an_operator_makes_neither_himself_nor_somebody_elses_nor_an_auditor_an_admin(tmp_path) -> None:
    with registry(tmp_path) as desk:
        _, member = desk.organisation()
        auditor = desk.person("auditor@relay.example")
        desk.hold(auditor, Role.AUDITOR)

        codes = [
            desk.do(desk.operator(), founding("New", "new.example", admin), "new.example")
            for admin in (desk.operator(), member, auditor)
        ]

        assert codes == [Code.NOT_PERMITTED, Code.CONFLICT, Code.CONFLICT]


def test_an_office_is_nobody_s_first_admin(tmp_path) -> None:
    with registry(tmp_path) as desk:
        post = desk.person("post@gad.example", PLATFORM, Standing.OFFICE)

        assert desk.do(desk.operator(), founding("New", "gad.example", post), "gad.example") is Code.NOT_PERMITTED


def test_an_organisation_is_suspended_and_works_again(tmp_path) -> None:
    with registry(tmp_path) as desk:
        root, admin = desk.organisation()
        unit = desk.done(admin, CreateUnit(root, "Records")).value
        operator = desk.operator()

        assert desk.do(operator, SuspendOrganisation(root, False)) is Code.CONFLICT
        effect = desk.done(operator, SuspendOrganisation(root, True))
        assert (effect.unit, units.node(desk.commit, root).state) == (root, UnitState.SUSPENDED)
        assert desk.do(operator, SuspendOrganisation(root, True)) is Code.CONFLICT
        assert desk.do(operator, SuspendOrganisation(unit, True)) is Code.CONFLICT
        assert desk.do(operator, SuspendOrganisation(999, True)) is Code.NOT_PERMITTED
        lifted = desk.done(operator, SuspendOrganisation(root, False))
        assert (lifted.before, lifted.after) == (effect.after, effect.before)
        assert isinstance(desk.do(admin, CreateUnit(unit, "below")), Effect)


def test_a_closed_organisation_is_neither_suspended_nor_lifted(tmp_path) -> None:
    with registry(tmp_path) as desk:
        root, admin = desk.organisation()
        desk.db.execute("UPDATE account SET unit = 0")
        desk.done(admin, CloseUnit(root))

        for suspended in (True, False):
            assert desk.do(desk.operator(), SuspendOrganisation(root, suspended)) is Code.CONFLICT


async def test_people_of_a_suspended_organisation_are_unknown_to_others_and_not_to_themselves(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        operator = await relay.enrol("operator")

        def let_in(commit):
            change = founding("Administration", "gad.example", bob.account, until_ms=commit.now_ms + 1)
            return tried(commit, operator.account, change, "gad.example").value

        root = await relay.store._act(let_in)
        assert (await relay.submit(alice, bob)).codes == (Code.STORED,)

        def suspend(suspended: bool):
            return lambda commit: tried(commit, operator.account, SuspendOrganisation(root, suspended))

        await relay.store._act(suspend(True))
        hidden = (await relay.submit(alice, bob)).codes
        own = (await relay.submit(bob, bob)).codes
        queued = len((await relay.page(bob)).items)
        await relay.store._act(suspend(False))

        assert (hidden, own, queued) == ((Code.NOT_AVAILABLE,), (Code.STORED,), 1)
        assert (await relay.submit(alice, bob)).codes == (Code.STORED,)


def test_an_organisation_becomes_a_unit_with_everything_that_is_its_own(tmp_path) -> None:
    with registry(tmp_path) as desk:
        (root, admin), (other, moved_admin) = desk.organisation(), desk.organisation("pwd.example")
        division = desk.done(admin, CreateUnit(root, "Division")).value
        below = desk.done(moved_admin, CreateUnit(other, "Below")).value

        effect = desk.done(desk.operator(), MergeOrganisation(other, division))

        assert [units.node(desk.commit, unit)[:3] for unit in (other, below)] == [
            (other, division, root), (below, other, root),
        ]  # fmt: skip
        assert (effect.unit, effect.before != effect.after) == (other, True)
        assert desk.held(moved_admin) == {(Role.ORGANISATION_ADMIN, other)}
        invited = desk.do(admin, InviteMember(division, "bob@pwd.example", Standing.INVITED, 60))
        assert isinstance(invited, Effect)
        for again in (other, below):
            assert desk.do(desk.operator(), MergeOrganisation(again, root)) is Code.CONFLICT


def test_what_may_not_be_merged_stays(tmp_path, monkeypatch) -> None:
    with registry(tmp_path) as desk:
        (root, admin), (other, other_admin) = desk.organisation(), desk.organisation("pwd.example")
        deep = [root]
        for number in range(UNIT_DEPTH_MAX - 1):
            deep.append(desk.done(admin, CreateUnit(deep[-1], str(number))).value)
        desk.done(other_admin, CreateUnit(other, "below"))
        operator = desk.operator()

        codes = [
            desk.do(operator, MergeOrganisation(*change))
            for change in ((root, root), (root, deep[1]), (deep[1], other), (other, deep[-2]), (root, other))
        ]
        unknown = [desk.do(operator, MergeOrganisation(*change)) for change in ((999, root), (root, 999))]
        monkeypatch.setattr("relayd.store.organisations.UNITS_MAX", UNIT_DEPTH_MAX + 1)
        too_many = desk.do(operator, MergeOrganisation(other, root))
        monkeypatch.undo()
        desk.done(admin, CreateUnit(root, "pwd.example"))
        name_taken = desk.do(operator, MergeOrganisation(other, root))
        suspended = []
        for one in (root, other):
            desk.done(operator, SuspendOrganisation(one, True))
            suspended.append(desk.do(operator, MergeOrganisation(other, deep[1])))
            desk.done(operator, SuspendOrganisation(one, False))

        assert codes == [Code.CONFLICT] * 5
        assert unknown == [Code.NOT_PERMITTED] * 2
        assert [too_many, name_taken, *suspended] == [Code.CONFLICT] * 4
        assert isinstance(desk.do(operator, MergeOrganisation(other, deep[1])), Effect)


def test_a_root_key_is_replaced_when_both_have_signed(tmp_path) -> None:
    with registry(tmp_path) as desk:
        root, admin = desk.organisation()
        other, _ = desk.organisation("pwd.example")
        unit = desk.done(admin, CreateUnit(root, "Records")).value
        old, new = seed_of("gad.example"), b"n" * 32
        key = ed25519_public(new)
        by_old, by_new = (rootkeys.sign_successor(seed, RELAY, root, key) for seed in (old, new))
        elsewhere = [rootkeys.sign_successor(seed, bytes(32), root, key) for seed in (old, new)]
        known = ed25519_public(seed_of("pwd.example"))

        assert desk.do(admin, RotateKey(root, key, by_new, by_new)) is Code.BAD_SIGNATURE
        assert desk.do(admin, RotateKey(root, key, by_old, by_old)) is Code.BAD_SIGNATURE
        for signatures in ((elsewhere[0], by_new), (by_old, elsewhere[1])):
            assert desk.do(admin, RotateKey(root, key, *signatures)) is Code.BAD_SIGNATURE
        assert desk.do(admin, RotateKey(other, key, by_old, by_new)) is Code.BAD_SIGNATURE
        assert desk.do(admin, RotateKey(unit, key, by_old, by_new)) is Code.CONFLICT
        assert desk.do(admin, RotateKey(999, key, by_old, by_new)) is Code.NOT_PERMITTED
        for taken in (known, ed25519_public(old)):
            assert desk.do(admin, RotateKey(root, taken, by_old, by_new)) is Code.CONFLICT
        effect = desk.done(admin, RotateKey(root, key, by_old, by_new))
        assert desk.db.execute("SELECT root_key FROM organisation WHERE unit = ?", (root,)).fetchone() == (key,)
        assert (effect.unit, len({effect.before, effect.after, b""})) == (root, 3)
        assert desk.do(admin, RotateKey(root, key, by_old, by_new)) is Code.CONFLICT


def test_a_suspended_organisation_replaces_no_key(tmp_path) -> None:
    with registry(tmp_path) as desk:
        root, admin = desk.organisation()
        desk.done(desk.operator(), SuspendOrganisation(root, True))
        key = ed25519_public(b"n" * 32)
        signed = [rootkeys.sign_successor(seed, RELAY, root, key) for seed in (seed_of("gad.example"), b"n" * 32)]

        assert desk.do(admin, RotateKey(root, key, *signed)) is Code.CONFLICT
