"""How much one person does alone on a day: counted for each kind, up to a bound, and forgotten with the day."""

from relayd.store import alone
from relayproto.codes import Kind
from support.organisations import registry

DAY_MS = 86_400_000
ATTEST, IMPORT = Kind.ATTEST, Kind.IMPORT_ROSTER


def test_what_is_within_the_bound_is_counted_and_what_is_beyond_is_not(tmp_path) -> None:
    with registry(tmp_path) as desk:
        done = [alone.within(desk.commit, 7, IMPORT, amount, 10) for amount in (6, 5, 4, 1)]

        assert done == [True, False, True, False]
        assert desk.db.execute("SELECT account, kind, amount FROM alone").fetchall() == [(7, IMPORT, 10)]


def test_people_and_kinds_are_counted_apart(tmp_path) -> None:
    with registry(tmp_path) as desk:
        assert alone.within(desk.commit, 7, ATTEST, 1, 1)
        assert alone.within(desk.commit, 8, ATTEST, 1, 1)
        assert alone.within(desk.commit, 7, IMPORT, 1, 1)
        assert not alone.within(desk.commit, 7, ATTEST, 1, 1)


def test_the_next_day_begins_anew_and_the_last_one_is_forgotten(tmp_path) -> None:
    with registry(tmp_path) as desk:
        alone.within(desk.commit, 7, ATTEST, 1, 1)
        alone.forget(desk.commit)
        assert desk.db.execute("SELECT count(*) FROM alone").fetchone() == (1,)

        desk.commit.now_ms += DAY_MS
        alone.forget(desk.commit)

        assert desk.db.execute("SELECT count(*) FROM alone").fetchone() == (0,)
        assert alone.within(desk.commit, 7, ATTEST, 1, 1)
