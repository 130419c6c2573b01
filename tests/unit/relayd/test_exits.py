import os

from relayd.exits import CannotGoOn, Exit


def test_statuses_are_those_of_sysexits() -> None:
    assert Exit.OK == os.EX_OK
    assert Exit.NO_INPUT == os.EX_NOINPUT
    assert Exit.REFUSED == os.EX_DATAERR
    assert Exit.UNAVAILABLE == os.EX_UNAVAILABLE
    assert Exit.SOFTWARE == os.EX_SOFTWARE
    assert Exit.CANNOT_CREATE == os.EX_CANTCREAT
    assert Exit.FATAL == os.EX_IOERR
    assert Exit.LATER == os.EX_TEMPFAIL
    assert Exit.PERMISSION == os.EX_NOPERM
    assert Exit.CONFIG == os.EX_CONFIG


def test_an_end_has_a_line_and_a_status() -> None:
    end = CannotGoOn("do this next", Exit.LATER)

    assert (str(end), end.status) == ("do this next", Exit.LATER)
