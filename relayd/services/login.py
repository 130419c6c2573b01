"""The services' room: HELLO, which makes a connection its device's.

HELLO and the static key that the handshake proved enter; what WELCOME says leaves, or a Refusal. The rule of this
file: the newest connection wins, but two copies of one device may not throw each other out for ever (protocol.md §2).
"""

from typing import Final

from relayd.domain.answers import Login
from relayd.domain.refusals import Refusal
from relayd.services.rates import Rates
from relayd.store import Store
from relayproto.codes import Code
from relayproto.commands import Hello
from relayproto.errors import RemoteProtocolError

BAD_ENDS: Final = 3
BAD_ENDS_WITHIN_S: Final = 60.0
"""A phone that changes networks leaves a dead connection behind, which does not count; a fourth takeover from one
that still answers within a minute is a second copy of the device. And a network that garbles a record does so once:
whoever breaks the protocol a fourth time means to, or has a program that does it each time."""


class Logins:
    """Logging in, and what is remembered of how connections ended."""

    __slots__ = ("_bad_ends", "_store")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bad_ends: Rates[bytes] = Rates(per_s=BAD_ENDS / BAD_ENDS_WITHIN_S, burst=BAD_ENDS)

    async def login(self, hello: Hello, static_key: bytes, now: float) -> Login:
        """Return what the relay knows of the device.

        Raises Refusal: AUTHENTICATION for a device or key that the account does not have, RATE after too many bad
        ends; RemoteProtocolError, which is one. They are counted by the proved key, so that nobody can use up another
        device's.
        """
        wait_ms = self._bad_ends.wait_ms(static_key, now)
        if wait_ms:
            raise Refusal(Code.RATE, wait_ms)
        try:
            return await self._store.login(hello, static_key)
        except RemoteProtocolError:
            self.ended_badly(static_key, now)
            raise

    def sent_away(self, static_key: bytes, now: float) -> None:
        """Let a device that was sent away for what it said wait before it comes back."""
        while not self._bad_ends.take(static_key, now):
            pass

    def ended_badly(self, static_key: bytes, now: float) -> None:
        """Count a connection that was superseded and still answered, or that broke the protocol."""
        self._bad_ends.take(static_key, now)
