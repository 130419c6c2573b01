"""The operating system's randomness."""

from relayclient.entropy import system_entropy


def test_it_gives_as_many_bytes_as_asked_for_and_never_the_same():
    assert len(system_entropy(0)) == 0
    assert len({system_entropy(32) for _ in range(100)}) == 100
