import socket
import struct

from relayd.net.outbox import LINGER_S, TURN_OCTETS, Hold, Outbox
from support.transports import FakeTransport


def outbox(*, octets_max: int = 1 << 20) -> tuple[Outbox, FakeTransport]:
    transport = FakeTransport()
    return Outbox(transport, octets_max=octets_max, timeout_s=20.0), transport


def test_there_is_room_for_one_turn() -> None:
    made, transport = outbox()

    assert made.room == TURN_OCTETS
    assert transport.high == TURN_OCTETS
    made.write(b"octets")
    assert transport.written == [b"octets"]


def test_what_the_socket_does_not_take_counts_against_the_bound() -> None:
    made, transport = outbox(octets_max=70_000)

    transport.buffered = 60_000

    assert made.room == 10_000
    transport.buffered = 80_000
    assert made.room < 0


def test_a_slow_reader_gets_no_more_and_is_not_read() -> None:
    made, transport = outbox()

    made.slow(100.0)

    assert made.room == 0
    assert not transport.reading
    made.flowing()
    assert made.room == TURN_OCTETS
    assert transport.reading
    assert made.next_deadline() is None


def test_a_slow_reader_is_cut_off_after_the_deadline() -> None:
    made, transport = outbox()
    made.slow(100.0)

    assert made.next_deadline() == 120.0
    assert not made.overdue(119.0)
    assert made.overdue(120.0)
    assert transport.aborted
    assert made.aborted
    assert not made.overdue(130.0)


RESET = {(socket.SOL_SOCKET, socket.SO_LINGER): struct.pack("ii", 1, 0)}


def test_who_is_cut_off_is_reset_so_that_the_kernel_keeps_nothing_for_it() -> None:
    made, transport = outbox()

    made.abort()

    assert transport.options == RESET


def test_whoever_has_been_told_goodbye_is_not_reset_before_his_time_is_over() -> None:
    made, transport = outbox()
    made.close(100.0)

    made.abort()

    assert (transport.aborted, transport.options) == (True, {})


def test_who_does_not_close_in_time_is_reset() -> None:
    made, transport = outbox()
    made.close(100.0)

    assert made.overdue(100.0 + LINGER_S)

    assert (transport.aborted, transport.options) == (True, RESET)


def test_of_a_socket_that_is_gone_nothing_is_set() -> None:
    made, transport = outbox()
    made.lost()

    made.abort()

    assert transport.options == {}


def test_reading_begins_again_when_no_reason_is_left() -> None:
    made, transport = outbox()
    made.hold(Hold.WORK)
    made.hold(Hold.LEAVING)

    made.release(Hold.WORK)

    assert not transport.reading
    made.release(Hold.LEAVING)
    assert transport.reading
    made.release(Hold.LEAVING)
    assert transport.resumed == 1


def test_an_orderly_end_sends_what_is_written_and_waits_for_the_peer() -> None:
    made, transport = outbox()
    made.write(b"goaway")

    made.close(100.0)
    made.close(101.0)

    assert transport.ended == 1
    assert made.room == 0
    assert made.next_deadline() == 100.0 + LINGER_S
    assert made.overdue(105.0)
    assert transport.aborted


def test_a_peer_that_was_not_read_is_read_again_to_see_its_end() -> None:
    made, transport = outbox()
    made.hold(Hold.WORK)

    made.close(100.0)
    made.release(Hold.WORK)
    made.hold(Hold.WORK)

    assert transport.reading


def test_a_reader_that_catches_up_while_it_is_sent_away_keeps_the_deadline() -> None:
    made, _ = outbox()
    made.slow(100.0)
    made.close(101.0)

    made.flowing()

    assert made.next_deadline() == 101.0 + LINGER_S


def test_a_transport_that_closes_by_itself_is_not_ended_twice() -> None:
    made, transport = outbox()
    transport.closing = True

    made.close(100.0)

    assert transport.ended == 0


def test_a_lost_transport_has_no_deadline() -> None:
    made, _ = outbox()
    made.slow(100.0)

    made.lost()

    assert made.gone
    assert not made.aborted
    assert made.next_deadline() is None


def test_what_was_sent_is_counted_and_what_waits_told_until_the_end() -> None:
    made, transport = outbox()
    made.write(b"octets")
    made.write(b"more")
    transport.buffered = 7

    assert (made.received, made.sent, made.waiting) == (0, 10, 7)
    made.lost()
    assert made.waiting == 0


def test_who_has_closed_his_side_is_never_read_again_and_closed_when_it_is_time() -> None:
    made, transport = outbox()
    made.hold(Hold.TURN)

    assert made.end()
    made.release(Hold.TURN)

    assert made.ended
    assert not transport.reading
    assert not transport.closing
    made.finish(100.0)
    made.close(101.0)
    assert (transport.closing, transport.ended) == (True, 0)
    assert made.next_deadline() == 100.0 + LINGER_S


def test_who_closes_his_side_after_ours_has_not_ended_it() -> None:
    made, _ = outbox()
    made.close(100.0)

    assert not made.end()

    assert not made.ended


def test_who_has_closed_his_side_has_ours_closed_at_once_where_we_end_it_too() -> None:
    made, transport = outbox()
    made.end()

    made.close(100.0)

    assert (transport.closing, transport.ended, transport.resumed) == (True, 0, 0)
