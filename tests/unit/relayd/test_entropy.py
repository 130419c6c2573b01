from relayd.entropy import system_entropy


def test_it_gives_as_many_bytes_as_asked_for_and_other_ones_each_time() -> None:
    first, second = system_entropy(32), system_entropy(32)

    assert len(first) == len(second) == 32
    assert first != second
