from relayd.domain.seat import Seat


def test_seats_of_two_connections_of_one_device_differ() -> None:
    first = Seat(1, 1, bytes(32), 1)

    second = Seat(1, 2, bytes(32), 1)

    assert first != second
