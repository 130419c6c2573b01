"""Tables, times and words."""

import time
from argparse import ArgumentTypeError

import pytest

from relayclient.cli import columns, terminal
from relayproto.standing import Role


def test_a_table_is_aligned_and_a_cell_stays_one(capsys):
    columns.table(("A", "LONG"), [(1, "x\ny"), (22, "z\x1b[2J")])

    assert capsys.readouterr().out == "A   LONG\n1   x y\n22  z␛[2J\n"


def test_an_empty_table_says_so(capsys):
    columns.table(("A",), [])

    assert capsys.readouterr().err == "Nothing to show.\n"


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-02T00:00Z", 86_400_000),
        ("1970-01-01T00:01+00:00", 60_000),
        ("1970-01-01T01:00+01:00", 0),
        ("1969-01-01", 0),
    ],
)
def test_a_time_is_read(text, ms):
    assert columns.moment(text) == ms


@pytest.fixture
def kolkata(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_time_that_names_no_zone_is_of_the_readers_as_it_is_shown(kolkata):
    assert columns.moment("2026-03-01T09:30") == 1_772_337_600_000
    assert columns.moment("2026-03-01T09:30Z") == 1_772_357_400_000
    assert terminal.when(columns.moment("2026-03-01")) == "2026-03-01 00:00:00 IST"


def test_what_is_no_time_is_told():
    with pytest.raises(ArgumentTypeError, match="2027-01-31"):
        columns.moment("tomorrow")


def test_a_word_means_its_value():
    assert [columns.meant(Role, each) for each in columns.words(Role)] == list(Role)
    assert columns.word(Role.ORGANISATION_ADMIN) == "organisation-admin"
