"""What is attested, as it lies: the one that ends last is shown, and what ends with the last one."""

from relayd.store import acts, attested
from relayproto.standing import PLATFORM, Role, Standing
from support.attestable import DOMAIN, department
from support.attesting import DAY_MS
from support.organisations import NOW_MS


def test_an_end_takes_standing_roles_and_offices_along_but_nothing_of_the_platform(tmp_path) -> None:
    with department(tmp_path) as at:
        at.attested(expires_ms=NOW_MS + DAY_MS)
        at.desk.hold(at.bob, Role.BROADCASTER, at.unit)
        at.desk.hold(at.bob, Role.PLATFORM_OPERATOR)
        office = at.desk.person(f"counter@{DOMAIN}", at.unit, Standing.OFFICE)
        at.desk.db.execute("INSERT INTO holder VALUES (?, ?)", (at.desk.row(office), at.desk.row(at.bob)))

        at.desk.commit.now_ms = NOW_MS + DAY_MS - 1
        acts.sweep(at.desk.commit)
        assert at.standing(at.bob) == Standing.VERIFIED
        at.desk.commit.now_ms += 1
        assert attested.proof(at.desk.db, at.desk.row(at.bob), at.desk.commit.now_ms) == b"", "before the sweep, too"
        acts.sweep(at.desk.commit)

        assert at.desk.belongs(at.bob) == (at.unit, Standing.INVITED)
        assert at.desk.held(at.bob) == {(Role.PLATFORM_OPERATOR, PLATFORM)}
        assert at.desk.db.execute("SELECT count(*) FROM holder").fetchone() == (0,)
        assert at.desk.db.execute("SELECT count(*) FROM revocation").fetchone() == (0,), "an end need not be told"


def test_the_one_that_ends_last_is_shown(tmp_path) -> None:
    with department(tmp_path) as at:
        at.attested(serial=b"1" * 16)
        at.attested(serial=b"2" * 16, expires_ms=NOW_MS + DAY_MS)
        row = at.desk.row(at.bob)

        assert b"1" * 16 in attested.proof(at.desk.db, row, NOW_MS)
        assert attested.serials(at.desk.commit, row) == [
            (b"2" * 16, NOW_MS + DAY_MS), (b"1" * 16, NOW_MS + 90 * DAY_MS),
        ]  # fmt: skip


def test_one_pass_ends_only_so_many(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(attested, "ENDED_MAX", 1)
    with department(tmp_path) as at:
        carol = at.desk.person(f"carol@{DOMAIN}", at.unit, Standing.INVITED)
        at.attested(expires_ms=NOW_MS + DAY_MS)
        at.attested(account=carol, address=f"carol@{DOMAIN}", serial=b"c" * 16, expires_ms=NOW_MS + DAY_MS + 1)
        at.desk.commit.now_ms = NOW_MS + 2 * DAY_MS

        attested.end_expired(at.desk.commit)
        assert (at.standing(at.bob), at.standing(carol)) == (Standing.INVITED, Standing.VERIFIED)
        attested.end_expired(at.desk.commit)
        assert at.standing(carol) == Standing.INVITED
