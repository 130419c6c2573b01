"""A relay's first keys, made from a fixed seed."""

from pathlib import Path

from relayd.initialise import make_keys
from relayproto.primitives import Entropy, blake2b_256

NOW_MS = 1_800_000_000_000


def seeded(seed: int = 1) -> Entropy:
    """Return a source of the same bytes in each run."""
    drawn = 0

    def entropy(count: int) -> bytes:
        nonlocal drawn
        drawn += 1
        octets = b"".join(blake2b_256(f"{seed}/{drawn}/{block}".encode()) for block in range(count // 32 + 1))
        return octets[:count]

    return entropy


def made_keys(state: Path, seed: int = 1) -> bytes:
    """Make keys in ``state`` that are good at NOW_MS; return the root's fingerprint."""
    return make_keys(state, seeded(seed), NOW_MS)
