"""The contract, lowest room: what can go wrong, and whose fault it is.

``RemoteProtocolError`` never leaves a connection: it becomes an event and a close frame.
``LocalProtocolError`` is our own misuse and is the only one that a caller of a connection sees.
"""

from relayproto.codes import GoawayCode


class ProtocolError(Exception):
    """Somebody broke the protocol. Only its two subclasses are raised."""


class LocalProtocolError(ProtocolError):
    """Our own code asked for something that the connection's state does not allow."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol.

    ``code`` is what the peer is told in GOAWAY; ``detail`` is for our log alone and never holds
    anything that the peer sent.
    """

    def __init__(self, code: GoawayCode, detail: str) -> None:
        """Keep the code for the peer and the detail for the log."""
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Malformed(RemoteProtocolError):  # noqa: N818 - the word that the spec uses
    """Bytes that are no frame, or a frame whose fields are out of bounds (spec 30 §3)."""

    def __init__(self, detail: str) -> None:
        """Name the field and the rule that it broke, never its value."""
        super().__init__(GoawayCode.BAD_FRAME, detail)


class CryptoFailure(Exception):  # noqa: N818 - not every one is an error of ours
    """A seal that does not open, a signature that does not hold, a key that is no key.

    Says nothing more on purpose: detail about a failed opening helps only an attacker.
    """
