"""The domain room: three of the five families of errors (architecture.md).

The other two are ``relayproto.errors`` and our own bugs.

The rule of this file: each family is handled at one border - a refusal and a fault by the router, a fatal by the app.
"""

from relayproto.codes import Code


class Refusal(Exception):  # noqa: N818 - the word of the glossary
    """An expected no: quota, policy, a stale list. The connection lives, and nothing has changed."""

    def __init__(self, code: Code, retry_after_ms: int = 0) -> None:
        """Keep what the peer is told; ``retry_after_ms`` is 0 where trying again does not help."""
        super().__init__(code.name)
        self.code = code
        self.retry_after_ms = retry_after_ms


class Fault(Exception):  # noqa: N818 - the word of the glossary
    """The environment failed for now; the same again may succeed after ``retry_after_ms``."""

    def __init__(self, code: Code, retry_after_ms: int) -> None:
        """Keep what the peer is told: BUSY, DISK or UNAVAILABLE."""
        super().__init__(code.name)
        self.code = code
        self.retry_after_ms = retry_after_ms


class Fatal(Exception):  # noqa: N818 - the word of the architecture
    """The store can no longer be trusted. The relay stops; a failed sync is never tried again."""
