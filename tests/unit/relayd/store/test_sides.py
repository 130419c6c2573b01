import contextlib

from relayd.domain import bounds
from relayd.store import sides
from relayd.store.database import connect
from relayd.store.sides import Sides
from relayproto import document, policy
from relayproto.codes import Class
from relayproto.limits import LIFETIME_S_MAX, UNIT_DEPTH_MAX
from relayproto.standing import Action, Permission, Standing
from support.documents import draft

PUBLIC, VERIFIED = Standing.PUBLIC, Standing.VERIFIED


def table(*cells: tuple[Standing, Standing, Action, Permission]) -> bytes:
    made = bytearray(policy.TABLE_BYTES)
    for who, whom, action, permission in cells:
        made[policy.cell(who, whom, action)] = permission
    return bytes(made)


@contextlib.contextmanager
def units(tmp_path, **policies: bytes):
    """A tree 1 > 2 > 3, and 4 beside it."""
    with contextlib.closing(connect(tmp_path / "relay.db", autocheckpoint_pages=1000)) as db:
        for number, under in ((1, 0), (2, 1), (3, 2), (4, 1)):
            db.execute(
                "INSERT INTO unit (id, under, organisation, name, state, policy) VALUES (?, ?, 1, ?, 1, ?)",
                (number, under, f"unit {number}", policies.get(f"of_{number}")),
            )
        if "platform" in policies:
            db.execute("UPDATE platform SET policy = ?", (policies["platform"],))
        yield db


def word(side, who: Standing, action: Action) -> Permission:
    return Permission(side.inbound[who * policy.ACTIONS + action])


def test_where_nobody_says_anything_the_default_holds(tmp_path) -> None:
    with units(tmp_path) as db:
        for unit in (0, 3):
            side = sides.read(db, unit, VERIFIED)

            assert side.inbound == policy.inbound(policy.PLATFORM_DEFAULT, VERIFIED)
            assert side.outbound == policy.outbound(policy.PLATFORM_DEFAULT, VERIFIED)
            assert (side.standing, side.active) == (VERIFIED, True)


def test_the_platforms_own_table_stands_in_for_the_default(tmp_path) -> None:
    with units(tmp_path, platform=table()) as db:
        assert word(sides.read(db, 3, VERIFIED), PUBLIC, Action.FIRST_CONTACT) is Permission.ALLOW


def test_every_unit_above_tightens_and_none_beside(tmp_path) -> None:
    high = table((VERIFIED, VERIFIED, Action.CALL, Permission.DENY))
    low = table((VERIFIED, VERIFIED, Action.FILE, Permission.REQUEST))
    with units(tmp_path, of_1=high, of_3=low, of_4=table((VERIFIED, VERIFIED, Action.TEXT, Permission.DENY))) as db:
        lowest, middle = sides.read(db, 3, VERIFIED), sides.read(db, 2, VERIFIED)

    words = [
        [word(side, VERIFIED, action) for action in (Action.CALL, Action.FILE, Action.TEXT)]
        for side in (lowest, middle)
    ]
    assert words == [
        [Permission.DENY, Permission.REQUEST, Permission.ALLOW],
        [Permission.DENY, Permission.ALLOW, Permission.ALLOW],
    ]


def test_how_deep_somebody_is_or_whether_he_is_there_changes_nothing_of_the_work(tmp_path) -> None:
    said = table((VERIFIED, VERIFIED, Action.CALL, Permission.DENY))
    with units(tmp_path, of_1=said, of_3=said) as db:
        for number in range(5, 4 + UNIT_DEPTH_MAX):
            db.execute(
                "INSERT INTO unit (id, under, organisation, name, state) VALUES (?, ?, 1, ?, 1)",
                (number, number - 1 if number > 5 else 1, f"unit {number}"),
            )
        db.execute("UPDATE unit SET state = 2 WHERE id = 2")
        steps = {unit: costs(db, unit) for unit in (0, 1, 3, 4, 3 + UNIT_DEPTH_MAX)}

    assert max(steps.values()) - min(steps.values()) <= max(steps.values()) / 10, steps


def costs(db, unit) -> int:
    """Return how many steps SQLite's machine takes for somebody's side."""
    taken = []
    sides.read(db, unit, VERIFIED)
    db.set_progress_handler(lambda: taken.append(1), 1)
    sides.read(db, unit, VERIFIED)
    db.set_progress_handler(None, 0)
    return len(taken)


def test_what_is_suspended_or_closed_anywhere_above_is_not_active(tmp_path) -> None:
    for state in (2, 3):
        place = tmp_path / str(state)
        place.mkdir()
        with units(place) as db:
            db.execute("UPDATE unit SET state = ? WHERE id = 2", (state,))

            assert [sides.read(db, unit, VERIFIED).active for unit in (1, 2, 3, 4)] == [True, False, False, True]


def test_of_bounds_the_least_counts_of_the_platform_and_every_unit_above(tmp_path) -> None:
    said = {0: {"otp_s": 60}, 1: {"chat_s": 90, "otp_s": 90}, 3: {"chat_s": 80}, 4: {"chat_s": 70}}
    octets = {unit: bounds.octets_of(document.read(draft(unit, lifetimes=each))) for unit, each in said.items()}
    with units(tmp_path) as db:
        assert sides.read(db, 3, VERIFIED).bounds is None
        db.execute("UPDATE platform SET bounds = ?", (octets[0],))
        for unit in (1, 3, 4):
            db.execute("UPDATE unit SET bounds = ? WHERE id = ?", (octets[unit], unit))

        held = [sides.read(db, unit, VERIFIED).bounds.longest_s for unit in (0, 1, 3)]

    assert [each[Class.OTP] for each in held] == [60, 60, 60]
    assert [each[Class.CHAT] for each in held] == [LIFETIME_S_MAX[Class.CHAT], 90, 80]


def test_a_person_tightens_what_is_done_to_him_alone(tmp_path) -> None:
    own = bytearray(policy.ROW_BYTES)
    own[VERIFIED * policy.ACTIONS + Action.CALL] = Permission.DENY
    with units(tmp_path) as db:
        side = sides.read(db, 3, VERIFIED)

    tightened = sides.own_side(side, bytes(own))

    assert word(tightened, VERIFIED, Action.CALL) is Permission.DENY
    assert word(tightened, PUBLIC, Action.LOOKUP) is Permission.DENY, "nobody loosens what is above"
    assert tightened.outbound == side.outbound
    assert sides.own_side(side, None) is side


def test_who_is_suspended_is_not_active_and_nothing_else_changes(tmp_path) -> None:
    with units(tmp_path) as db:
        side = sides.read(db, 3, VERIFIED)

    own = sides.own_side(side, None, suspended=True)

    assert (side.active, own.active) == (True, False)
    assert (own.inbound, own.outbound, own.standing) == (side.inbound, side.outbound, side.standing)


def test_what_was_put_together_is_kept_until_it_is_forgotten(tmp_path) -> None:
    kept = Sides()
    with units(tmp_path) as db:
        first = kept.of(db, 3, VERIFIED, None)
        db.execute("UPDATE unit SET state = 2 WHERE id = 1")

        assert kept.of(db, 3, VERIFIED, None) is first
        kept.forget()
        assert not kept.of(db, 3, VERIFIED, None).active


def test_no_more_are_kept_than_the_bound(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sides, "KEPT_MAX", 2)
    kept = Sides()
    with units(tmp_path) as db:
        first = kept.of(db, 1, VERIFIED, None)
        kept.of(db, 2, VERIFIED, None)
        kept.of(db, 3, VERIFIED, None)

        assert kept.of(db, 1, VERIFIED, None) is not first
