"""Power cuts under the store: what was told STORED is there, what was acknowledged is not, no sequence comes twice.

``make powercut CUTS=5000`` does the same for longer; a failure names its seed, which fails again in the same way.
"""

from collections import Counter
from random import Random

import pytest

from support.outages import CUTS_A_LIFE, live, told
from support.power import SECTOR, VERSIONS, Held

CUTS = 200
LIVES_OF_THE_CHECK = 10
CUTS_OF_THE_CHECK = 6
LIVES = 5
"""Of one test, so that two processes share the work."""


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1, CUTS // CUTS_A_LIFE + 1, LIVES))
def test_nothing_told_is_lost_or_comes_again_when_the_power_is_cut(first: int) -> None:
    figures: Counter[str] = Counter()

    for seed in range(first, first + LIVES):
        figures += live(seed)

    print(f"{VERSIONS}; {told(figures)}")
    assert figures["cuts"] >= CUTS_A_LIFE * LIVES
    assert figures["accepted"] > figures["cuts"]
    assert figures["acknowledged"] > figures["cuts"]
    assert figures["repeated"]


def broken(**how) -> list[str]:
    """Return what did not hold in at most sixty cuts of a store that does not sync as it should."""
    found = []
    for seed in range(1, LIVES_OF_THE_CHECK + 1):
        try:
            live(seed, CUTS_OF_THE_CHECK, **how)
        except AssertionError as error:
            found.append(str(error))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [{"lies": "disk"}, {"lies": "keys"}, {"synchronous": "OFF"}, {"synchronous": "NORMAL"}],
    ids=["lying disk", "day keys not synced", "off", "normal"],
)
def test_a_store_that_does_not_sync_each_commit_is_found_out_within_sixty_cuts(how) -> None:
    found = broken(**how)

    assert len(found) >= LIVES_OF_THE_CHECK // 2


@pytest.mark.slow
def test_a_store_that_syncs_only_at_checkpoints_loses_messages_within_sixty_cuts() -> None:
    found = broken(synchronous="NORMAL")

    assert [what for what in found if "accepted messages are lost" in what]


def test_a_cut_leaves_what_was_synced_and_at_most_parts_of_what_was_not() -> None:
    held = Held(bytearray(b"a" * SECTOR * 4), bytearray(b"a" * SECTOR * 4))
    held.write(b"b" * SECTOR * 3, SECTOR)

    left = {bytes(held.left(Random(seed))) for seed in range(200)}

    assert all(image[:SECTOR] == b"a" * SECTOR for image in left)
    assert b"a" * SECTOR * 4 in left
    assert b"a" * SECTOR + b"b" * SECTOR * 3 in left
    assert any(0 < image[SECTOR : SECTOR * 2].count(b"b") < SECTOR for image in left)


def test_a_cut_takes_nothing_of_what_was_synced() -> None:
    held = Held(bytearray(), bytearray())
    held.write(b"a" * 700, 100)
    held.sync()

    left = {bytes(held.left(Random(seed))) for seed in range(50)}

    assert left == {bytes(100) + b"a" * 700}
