"""The contract: an established pair of record ciphers with the frames that wait to be said.

Frames enter and leave; records leave and enter. The rule of this file: a frame is sealed once, in the order in which
it was queued, together with all others that are ready; REKEY is the last frame of its record (spec 10 §4).
"""

from collections.abc import Iterator

from relayproto import frame, message
from relayproto.codes import GoawayCode, Kind
from relayproto.errors import CryptoFailure, LocalProtocolError, RemoteProtocolError
from relayproto.noise.cipherstate import CipherState
from relayproto.notices import Rekey
from relayproto.record import Opener, Sealer, pack, unpack

_REKEY = message.encode(Rekey())
_REKEY_KIND = int(Kind.REKEY)
"""A plain integer: looking a member up costs more than comparing it, and every frame is compared."""


class Channel:
    """What an established connection needs for its bytes: two keys, a queue, and nothing of the handshake."""

    __slots__ = ("_bulk", "_opener", "_sealer", "queue")

    def __init__(self, send: CipherState, receive: CipherState, *, bulk: bool, now: float) -> None:
        self._sealer = Sealer(send, now)
        self._opener = Opener(receive)
        self.queue: list[bytes] = []
        """Encoded frames that are to be said; more are put behind them."""
        self._bulk = bulk

    def seal(self, now: float) -> bytes:
        """Return everything that waits as records, as few as hold it, and take new keys when it is time."""
        if not self.queue:
            return b""
        frames, self.queue = self.queue, []
        rekey = self._sealer.due(now)
        if rekey:
            frames.append(_REKEY)
        records = b"".join([self._sealer.seal(plaintext) for plaintext in pack(frames, bulk=self._bulk)])
        if rekey:
            self._sealer.rekey(now)
        return records

    def open(self, record: bytes) -> Iterator[tuple[int, bytes]]:
        """Return the frames of one record with their kinds; REKEY is obeyed here and does not surface.

        They must be taken to their end before the next record is opened. Raises RemoteProtocolError, here or while
        they are taken: a record that does not open ends the connection, whatever the reason.
        """
        try:
            plaintext = self._opener.open(record)
        except (CryptoFailure, LocalProtocolError):
            raise RemoteProtocolError(GoawayCode.BAD_RECORD, "a record does not open") from None
        return self._frames(unpack(plaintext))

    def _frames(self, unpacked: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
        for octets in unpacked:
            kind = frame.kind_of(octets)
            if kind == _REKEY_KIND:
                message.read(Rekey, octets)
                if next(unpacked, None) is not None:
                    raise RemoteProtocolError(GoawayCode.BAD_FRAME, "REKEY is not the last frame of its record")
                self._opener.rekey()
                return
            yield kind, octets
