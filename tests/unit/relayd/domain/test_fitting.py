from hypothesis import given
from hypothesis import strategies as st

from relayd.domain.fitting import fitting
from relayproto import message
from relayproto.administration_replies import Audit
from relayproto.limits import AUDIT_RECORD_BYTES_MAX, FRAME_BYTES_MAX, PAGE_ROWS_MAX, REQUEST_MAX

ROWS = st.lists(st.tuples(st.integers(0, 1 << 62), st.binary(max_size=AUDIT_RECORD_BYTES_MAX)), max_size=120)


@given(ROWS, st.integers(1, PAGE_ROWS_MAX))
def test_what_fits_is_the_beginning_and_one_more_would_not_fit(rows, maximum) -> None:
    taken, more = fitting(rows, maximum)

    assert list(taken) == rows[: len(taken)]
    assert more == (len(taken) < len(rows))
    assert len(message.encode(Audit(taken, more), REQUEST_MAX)) <= FRAME_BYTES_MAX
    assert len(taken) in {maximum, len(rows)} or sum(len(row[1]) for row in taken) > FRAME_BYTES_MAX - 4096


def test_a_hundred_long_rows_do_not_fit_and_a_hundred_short_ones_do() -> None:
    long, short = [(1, bytes(1_024))] * 100, [(1, bytes(32))] * 101

    assert (len(fitting(long, 100)[0]), fitting(long, 100)[1]) == (15, True)
    assert (len(fitting(short, 100)[0]), fitting(short, 100)[1]) == (100, True)
    assert fitting([], 1) == ((), False)
