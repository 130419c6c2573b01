import sqlite3
from collections import Counter

import pytest

from relayd.domain.fates import key
from relayd.store.counting import EVERY_MS, ROWS_MAX, Counting
from relayd.store.database import connect
from relayproto.codes import Class, Fate

DAY_MS = 86_400_000
NOW_MS = 20_700 * DAY_MS + 5_000
KEY = key(7, Class.CHAT, 300, Fate.STORED)
ROW = (20_700, 7, 4, 1, 1)
_NOTHING: Counter[int] = Counter()


@pytest.fixture
def db(tmp_path):
    opened = connect(tmp_path / "relay.db", autocheckpoint_pages=1_000)
    yield opened
    opened.close()


def rows(db: sqlite3.Connection) -> dict[tuple[int, ...], int]:
    return {tuple(key): count for *key, count in db.execute("SELECT * FROM statistic")}


def commit(db: sqlite3.Connection, counting: Counting, now_ms: int, counted: Counter[int] = _NOTHING) -> None:
    db.execute("BEGIN IMMEDIATE")
    counting.write(db, now_ms)
    db.execute("COMMIT")
    counting.committed(tuple(counted.elements()), now_ms)


def test_counts_are_written_when_it_is_time_and_added_up(db) -> None:
    counting = Counting()
    commit(db, counting, NOW_MS, Counter({KEY: 2}))
    commit(db, counting, NOW_MS + EVERY_MS - 1, Counter({KEY: 3}))
    assert rows(db) == {}

    commit(db, counting, NOW_MS + EVERY_MS, Counter({KEY: 4}))
    assert rows(db) == {ROW: 5}, "its own counts come with the next"

    commit(db, counting, NOW_MS + 2 * EVERY_MS)
    assert rows(db) == {ROW: 9}


def test_nothing_is_written_twice(db) -> None:
    counting = Counting()
    commit(db, counting, NOW_MS, Counter({KEY: 2}))

    for times in (1, 2, 3):
        commit(db, counting, NOW_MS + times * EVERY_MS)

    assert rows(db) == {ROW: 2}


def test_the_first_commit_of_a_later_day_writes_all_of_the_day_before(db) -> None:
    counting = Counting()
    keys = {key(unit, Class.CHAT, 9, Fate.STORED): 1 for unit in range(ROWS_MAX + 50)}
    commit(db, counting, NOW_MS, Counter(keys))

    commit(db, counting, (NOW_MS // DAY_MS + 1) * DAY_MS, Counter({KEY: 1}))
    assert len(rows(db)) == ROWS_MAX + 50
    assert {day for day, *_ in rows(db)} == {20_700}

    commit(db, counting, (NOW_MS // DAY_MS + 2) * DAY_MS)
    assert rows(db)[20_701, 7, 4, 1, 1] == 1


def test_one_commit_writes_a_bounded_number_and_the_next_goes_on(db) -> None:
    counting = Counting()
    keys = {key(unit, Class.CHAT, 9, Fate.STORED): 1 for unit in range(ROWS_MAX + 50)}
    commit(db, counting, NOW_MS, Counter(keys))

    commit(db, counting, NOW_MS + EVERY_MS)
    assert len(rows(db)) == ROWS_MAX

    commit(db, counting, NOW_MS + EVERY_MS)
    assert len(rows(db)) == ROWS_MAX + 50


def test_what_was_rolled_back_is_written_again(db) -> None:
    counting = Counting()
    commit(db, counting, NOW_MS, Counter({KEY: 2}))
    db.execute("BEGIN IMMEDIATE")
    counting.write(db, NOW_MS + EVERY_MS)
    db.execute("ROLLBACK")
    counting.failed()
    assert rows(db) == {}

    commit(db, counting, NOW_MS + EVERY_MS)

    assert rows(db) == {ROW: 2}


def test_at_the_end_all_is_written(db) -> None:
    counting = Counting()
    commit(db, counting, NOW_MS, Counter({KEY: 2}))

    counting.finish(db)
    counting.finish(db)

    assert rows(db) == {ROW: 2}
