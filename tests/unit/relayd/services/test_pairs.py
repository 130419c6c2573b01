from relayd.services.pairs import Pairs

BOB, CAROL = b"b" * 32, b"c" * 32


def test_each_pair_has_a_rate_of_its_own() -> None:
    pairs = Pairs(bytes(32), per_s=1, burst=1)
    to_bob, to_carol = pairs.key(1, BOB), pairs.key(1, CAROL)

    pairs.take([to_bob], 0.0)

    assert pairs.wait_ms([to_bob], 0.0) == 1001
    assert pairs.wait_ms([to_carol], 0.0) == 0
    assert pairs.wait_ms([to_carol, to_bob], 0.0) == 1001
    assert pairs.wait_ms([pairs.key(2, BOB)], 0.0) == 0


def test_a_pair_is_known_by_a_hash_that_another_process_does_not_make() -> None:
    one, other = Pairs(bytes(32), per_s=1, burst=1), Pairs(b"k" * 32, per_s=1, burst=1)

    assert BOB not in one.key(1, BOB)
    assert one.key(1, BOB) != other.key(1, BOB)


def test_who_wrote_to_whom_is_forgotten_once_it_no_longer_matters() -> None:
    pairs = Pairs(bytes(32), per_s=1, burst=2)
    pairs.take([pairs.key(1, BOB)], 0.0)

    pairs.take([pairs.key(1, CAROL)], 1.0)

    assert list(pairs._rates._full_at) == [pairs.key(1, CAROL)]
