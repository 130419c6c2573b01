from relayd.config import LimitsSection
from relayd.net.admission import Admission

KEY = bytes(32)


def admission(**limits: int) -> Admission:
    return Admission(LimitsSection(**limits), KEY)


def test_connections_are_counted_until_they_leave() -> None:
    door = admission(connections_max=2)
    assert door.refuse(door.place("192.0.2.1"), 0.0) is None
    assert door.refuse(door.place("192.0.2.2"), 0.0) is None

    assert door.refuse(door.place("192.0.2.3"), 0.0) == "connections"

    door.left(door.place("192.0.2.1"), half_open=True)
    assert door.refuse(door.place("192.0.2.3"), 0.0) is None


def test_who_has_not_shown_who_it_is_is_counted_apart() -> None:
    door = admission(half_open_max=1)
    assert door.refuse(door.place("192.0.2.1"), 0.0) is None

    assert door.refuse(door.place("192.0.2.2"), 0.0) == "half_open"

    door.shown()
    assert door.refuse(door.place("192.0.2.2"), 0.0) is None
    door.left(door.place("192.0.2.2"), half_open=True)
    assert door.refuse(door.place("192.0.2.2"), 0.0) is None
    door.left(door.place("192.0.2.1"), half_open=False)
    assert door.refuse(door.place("192.0.2.2"), 0.0) == "half_open"


def test_new_connections_of_one_address_have_a_rate() -> None:
    door = admission(address_rate_per_s=1, address_burst=2)
    assert [door.refuse(door.place("192.0.2.1"), 0.0) for _ in range(3)] == [None, None, "address_rate"]

    assert door.refuse(door.place("192.0.2.2"), 0.0) is None
    assert door.refuse(door.place("192.0.2.1"), 1.0) is None


def test_one_ipv6_customer_is_one_address() -> None:
    door = admission(address_rate_per_s=1, address_burst=1)
    assert door.refuse(door.place("2001:db8:1:2::3"), 0.0) is None

    assert door.refuse(door.place("2001:db8:1:2:ffff::9%eth0"), 0.0) == "address_rate"
    assert door.refuse(door.place("2001:db8:1:3::3"), 0.0) is None


def test_an_ipv4_address_is_the_same_on_a_socket_of_both_kinds() -> None:
    door = admission(address_rate_per_s=1, address_burst=1)
    assert door.refuse(door.place("192.0.2.1"), 0.0) is None

    assert door.refuse(door.place("::ffff:192.0.2.1"), 0.0) == "address_rate"


def test_no_address_is_kept_in_clear() -> None:
    door = admission()
    door.refuse(door.place("192.0.2.1"), 0.0)

    [kept] = door._rates._full_at

    assert bytes((192, 0, 2, 1)) not in kept
    other = Admission(LimitsSection(), bytes(31) + b"\x01")
    other.refuse(other.place("192.0.2.1"), 0.0)
    assert [kept] != list(other._rates._full_at)


def test_one_address_has_so_many_connections_at_a_time_and_no_more() -> None:
    door = admission(address_connections_max=2)
    here = door.place("127.0.0.2")
    assert [door.refuse(here, 0.0) for _ in range(3)] == [None, None, "address_connections"]

    assert door.refuse(door.place("127.0.0.3"), 0.0) is None

    door.left(here, half_open=True)
    assert door.refuse(here, 0.0) is None


def test_an_address_without_connections_is_forgotten() -> None:
    door = admission()
    here = door.place("127.0.0.2")
    door.refuse(here, 0.0)

    door.left(here, half_open=True)

    assert not door._by_place


def test_half_open_ones_can_be_counted() -> None:
    door = admission()
    for host in ("192.0.2.1", "192.0.2.2"):
        door.refuse(door.place(host), 0.0)
    door.shown()

    assert door.half_open == 1
