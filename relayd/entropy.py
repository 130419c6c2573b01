"""A leaf of the relay: where randomness comes from.

Nothing enters; bytes of the kernel leave. The rule of this file: it is the only one of the relay that draws
randomness, everything else takes an ``Entropy`` as an argument.
"""

import os


def system_entropy(count: int) -> bytes:
    """Return ``count`` random bytes of the kernel's generator."""
    return os.urandom(count)
