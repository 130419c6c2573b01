import sqlite3

import pytest

from relayd.store.rows import Insertion


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 16, 63, 64, 65, 149])
def test_all_rows_are_put_in_in_their_order(count) -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE pair (a, b)")
    rows = [(number, str(number)) for number in range(count)]

    Insertion("pair", ("a", "b")).run(db, rows)

    assert db.execute("SELECT a, b FROM pair ORDER BY rowid").fetchall() == rows
    db.close()


def test_many_rows_take_few_statements() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("CREATE TABLE pair (a, b)")
    statements: list[str] = []
    db.set_trace_callback(statements.append)

    Insertion("pair", ("a", "b")).run(db, [(1, 2)] * 149)

    assert len(statements) == 2 + 1 + 1 + 1
    db.close()


def test_a_row_of_the_same_key_is_replaced_only_where_that_is_meant() -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE pair (a INTEGER PRIMARY KEY, b)")
    columns = ("a", "b")

    Insertion("pair", columns, replace=True).run(db, [(1, 2)])
    Insertion("pair", columns, replace=True).run(db, [(1, 3)])

    assert db.execute("SELECT b FROM pair").fetchall() == [(3,)]
    with pytest.raises(sqlite3.IntegrityError):
        Insertion("pair", columns).run(db, [(1, 4)])
    db.close()
