from relayd.config import LimitsSection
from relayd.net.admission import Admission

KEY = bytes(32)


class Stranger:
    """A connection; what is done to it is the listener's."""

    def cut(self) -> None:
        raise AssertionError


def admission(**limits: int) -> Admission:
    return Admission(LimitsSection(**limits), KEY)


def enter(door: Admission, host: str) -> tuple[str | None, Stranger, Stranger | None]:
    """Knock; return why nobody is let in, the connection, and who has to go for it."""
    stranger = Stranger()
    place = door.place(host)
    reason = door.admit(place, 0.0)
    return reason, stranger, None if reason else door.entered(place, stranger)


def test_connections_are_counted_until_they_leave() -> None:
    door = admission(connections_max=2)
    _, first, _ = enter(door, "192.0.2.1")
    enter(door, "192.0.2.2")

    assert enter(door, "192.0.2.3")[0] == "connections"

    door.left(door.place("192.0.2.1"), first)
    assert enter(door, "192.0.2.3")[0] is None


def test_who_has_not_shown_who_it_is_for_longest_goes_where_most_are() -> None:
    door = admission(half_open_max=4)
    _, alone, _ = enter(door, "192.0.2.1")
    _, first, _ = enter(door, "192.0.2.2")
    _, second, _ = enter(door, "192.0.2.2")
    enter(door, "192.0.2.2")

    assert enter(door, "192.0.2.2")[2] is first
    assert enter(door, "192.0.2.3")[2] is second
    assert door.half_open == 4
    door.shown(door.place("192.0.2.1"), alone)
    assert enter(door, "192.0.2.4")[2] is None


def test_a_flood_from_one_address_crowds_nobody_else_out() -> None:
    door = admission(half_open_max=10)
    _, alone, _ = enter(door, "192.0.2.1")

    gone = [enter(door, "192.0.2.2")[2] for _ in range(400)]

    assert alone not in gone
    assert door.half_open == 10


def test_who_goes_is_found_at_once_however_many_addresses_there_are() -> None:
    door = admission(half_open_max=201)
    entered = [enter(door, f"10.0.{number}.1") for number in range(200)]
    _, crowded, _ = enter(door, "10.0.7.1")

    assert enter(door, "192.0.2.1")[2] is entered[7][1]
    assert len(door._crowds) == 1
    door.shown(door.place("10.0.7.1"), crowded)
    for number, (_, stranger, _) in enumerate(entered):
        door.left(door.place(f"10.0.{number}.1"), stranger)
    assert door.half_open == 1
    assert door._crowds == {1: {door.place("192.0.2.1"): None}}


def test_whoever_had_to_go_is_counted_out_once() -> None:
    door = admission(half_open_max=1)
    here = door.place("192.0.2.1")
    _, first, _ = enter(door, "192.0.2.1")
    _, second, gone = enter(door, "192.0.2.1")
    assert gone is first

    door.left(here, first)
    assert door.half_open == 1
    door.left(here, second)
    assert door.half_open == 0


def test_new_connections_of_one_address_have_a_rate() -> None:
    door = admission(address_rate_per_s=1, address_burst=2)
    assert [door.admit(door.place("192.0.2.1"), 0.0) for _ in range(3)] == [None, None, "address_rate"]

    assert door.admit(door.place("192.0.2.2"), 0.0) is None
    assert door.admit(door.place("192.0.2.1"), 1.0) is None


def test_one_ipv6_customer_is_one_address() -> None:
    door = admission(address_rate_per_s=1, address_burst=1)
    assert door.admit(door.place("2001:db8:1:2::3"), 0.0) is None

    assert door.admit(door.place("2001:db8:1:2:ffff::9%eth0"), 0.0) == "address_rate"
    assert door.admit(door.place("2001:db8:1:3::3"), 0.0) is None


def test_an_ipv4_address_is_the_same_on_a_socket_of_both_kinds() -> None:
    door = admission(address_rate_per_s=1, address_burst=1)
    assert door.admit(door.place("192.0.2.1"), 0.0) is None

    assert door.admit(door.place("::ffff:192.0.2.1"), 0.0) == "address_rate"


def test_no_address_is_kept_in_clear() -> None:
    door = admission()
    door.admit(door.place("192.0.2.1"), 0.0)

    [kept] = door._rates._young

    assert bytes((192, 0, 2, 1)) not in kept
    other = Admission(LimitsSection(), bytes(31) + b"\x01")
    other.admit(other.place("192.0.2.1"), 0.0)
    assert [kept] != list(other._rates._young)


def test_one_address_has_so_many_connections_at_a_time_and_no_more() -> None:
    door = admission(address_connections_max=2)
    entered = [enter(door, "127.0.0.2") for _ in range(3)]
    assert [reason for reason, _, _ in entered] == [None, None, "address_connections"]

    assert enter(door, "127.0.0.3")[0] is None

    door.left(door.place("127.0.0.2"), entered[0][1])
    assert enter(door, "127.0.0.2")[0] is None


def test_an_address_without_connections_is_forgotten() -> None:
    door = admission()
    _, stranger, _ = enter(door, "127.0.0.2")

    door.left(door.place("127.0.0.2"), stranger)

    assert not door._by_place
    assert not door._strangers


def test_half_open_ones_can_be_counted() -> None:
    door = admission()
    _, first, _ = enter(door, "192.0.2.1")
    enter(door, "192.0.2.2")

    door.shown(door.place("192.0.2.1"), first)
    door.shown(door.place("192.0.2.1"), first)

    assert door.half_open == 1
