from relayd.services.pairs import Pairs

ALICE, BOB, CAROL, DAN = b"a" * 32, b"b" * 32, b"c" * 32, b"d" * 32


def test_each_pair_has_a_rate_of_its_own() -> None:
    pairs = Pairs(bytes(32), per_s=1, burst=1)

    assert pairs.take(ALICE, [BOB], 0.0) == 0
    assert pairs.take(ALICE, [BOB], 0.0) == 1001
    assert pairs.take(ALICE, [CAROL], 0.0) == 0
    assert pairs.take(DAN, [BOB], 0.0) == 0


def test_of_several_pairs_all_or_none_are_counted() -> None:
    pairs = Pairs(bytes(32), per_s=1, burst=1)
    pairs.take(ALICE, [BOB], 0.0)

    assert pairs.take(ALICE, [CAROL, BOB], 0.5) == 501
    assert pairs.take(ALICE, [CAROL], 0.5) == 0
    assert pairs.take(ALICE, [CAROL, BOB], 1.5) == 0


def test_who_is_refused_leaves_nothing_behind() -> None:
    pairs = Pairs(bytes(32), per_s=1, burst=1)
    pairs.take(ALICE, [BOB], 0.0)

    refused = pairs.take(ALICE, [BOB, *(number.to_bytes(32) for number in range(500))], 0.0)

    assert (refused, len(pairs._rates._young)) == (1001, 1)


def test_a_pair_that_is_named_twice_counts_twice() -> None:
    pairs = Pairs(bytes(32), per_s=1, burst=3)

    assert pairs.take(ALICE, [BOB, BOB], 0.0) == 0
    assert pairs.take(ALICE, [BOB, BOB], 0.0) == 1001
    assert pairs.take(ALICE, [BOB], 0.0) == 0


def test_a_pair_is_known_by_a_hash_that_another_process_does_not_make() -> None:
    one, other = Pairs(bytes(32), per_s=1, burst=1), Pairs(b"k" * 32, per_s=1, burst=1)

    one.take(ALICE, [BOB], 0.0)
    other.take(ALICE, [BOB], 0.0)

    [ours], [theirs] = one._rates._young, other._rates._young
    assert ours != theirs
    assert isinstance(ours, int)


def test_who_wrote_to_whom_is_forgotten_once_it_no_longer_matters() -> None:
    pairs = Pairs(bytes(32), per_s=1, burst=2)
    pairs.take(ALICE, [BOB], 0.0)

    pairs.take(ALICE, [CAROL], 2.0)
    pairs.take(ALICE, [CAROL], 4.0)

    assert len(pairs._rates._young) == 1
