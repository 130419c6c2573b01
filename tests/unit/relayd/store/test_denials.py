import pytest

from relayd.store import denials
from relayd.store.denials import DENIALS_MAX
from relayproto.administration import RenameUnit
from relayproto.codes import Code, Kind
from support.officers import Chamber, chamber

HOUR_S = 3_600


@pytest.fixture
def made():
    with chamber() as opened:
        opened.unit(1)
        opened.place(opened.bob, 1)
        yield opened


def ask(made: Chamber, times: int, who=None) -> None:
    for _ in range(times):
        assert made.act(who or made.bob, RenameUnit(1, "Mine")) is Code.NOT_PERMITTED


def test_denials_above_the_share_of_an_hour_are_counted_and_not_written(made: Chamber) -> None:
    ask(made, DENIALS_MAX + 5)

    assert len(made.records()) == DENIALS_MAX
    assert made.db.execute("SELECT count FROM denial").fetchall() == [(DENIALS_MAX + 5,)]


def test_each_account_has_its_own_share(made: Chamber) -> None:
    ask(made, DENIALS_MAX + 5)
    ask(made, 2, made.carol)

    assert [record.account for record in made.records()].count(made.carol.account) == 2


def test_after_the_hour_one_record_says_how_many_are_missing(made: Chamber) -> None:
    ask(made, DENIALS_MAX + 5)

    made.sweep(HOUR_S)

    record = made.last()
    assert (record.kind, record.code, record.value) == (Kind.ACT, Code.RATE, 5)
    assert (record.account, record.unit) == (made.bob.account, 1)
    assert len(made.records()) == DENIALS_MAX + 1
    assert made.db.execute("SELECT count(*) FROM denial").fetchone() == (0,)


def test_the_next_hour_begins_with_what_the_last_one_left_out(made: Chamber) -> None:
    ask(made, DENIALS_MAX + 5)
    made.clock.advance(HOUR_S)

    ask(made, 1)

    assert [(record.code, record.value) for record in made.records()[-2:]] == [(Code.RATE, 5), (Code.NOT_PERMITTED, 0)]


def test_who_stays_within_the_share_leaves_no_such_record(made: Chamber) -> None:
    ask(made, DENIALS_MAX)

    made.sweep(HOUR_S)

    assert len(made.records()) == DENIALS_MAX
    assert made.db.execute("SELECT count(*) FROM denial").fetchone() == (0,)


def test_the_share_outlives_a_restart(made: Chamber) -> None:
    ask(made, DENIALS_MAX)
    made.store.crash()
    made.login(made.bob)

    ask(made, 1)

    assert len(made.records()) == DENIALS_MAX


def test_one_pass_of_the_sweep_closes_a_bounded_number(made: Chamber, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denials, "_ROWS_MAX", 1)
    ask(made, 1)
    ask(made, 1, made.carol)

    made.sweep(HOUR_S)

    assert made.db.execute("SELECT count(*) FROM denial").fetchone() == (1,)
