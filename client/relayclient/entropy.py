"""The device's randomness: the only place of relayclient that draws any."""

import os


def system_entropy(count: int) -> bytes:
    """Return so many bytes of the operating system's randomness."""
    return os.urandom(count)
