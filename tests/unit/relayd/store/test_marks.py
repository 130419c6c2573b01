import sqlite3

from relayd.store.marks import Marks

ALICE, BOB, MALLORY = b"a" * 32, b"b" * 32, b"m" * 32


def test_a_mark_depends_on_both_accounts_and_on_the_master_key() -> None:
    marks = Marks(b"k" * 32)

    made = {
        marks.of(ALICE, MALLORY), marks.of(BOB, MALLORY), marks.of(MALLORY, ALICE), Marks(b"l" * 32).of(ALICE, MALLORY),
    }  # fmt: skip

    assert len(made) == 4
    assert {len(mark) for mark in made} == {32}


def test_only_the_owners_own_mark_counts() -> None:
    marks, db = Marks(b"k" * 32), sqlite3.connect(":memory:")
    db.execute("CREATE TABLE block (account INTEGER, mark BLOB)")
    db.execute("INSERT INTO block VALUES (1, ?)", (marks.of(ALICE, MALLORY),))

    assert marks.blocked(db, 1, ALICE, MALLORY)
    assert not marks.blocked(db, 1, ALICE, BOB)
    assert not marks.blocked(db, 2, BOB, MALLORY)
    db.close()
