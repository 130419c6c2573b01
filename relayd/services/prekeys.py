"""The services' room: PUT_PREKEYS and GET_BUNDLES (spec 60 §1).

Prekeys enter and leave. The rule of this file: a prekey is kept only with the signature of the device that deposits
it, a device that is online hears when few are left, and nobody takes all of them away alone.
"""

from typing import Final

from relayd.delivery.hub import Hub
from relayd.domain.refusals import Refusal
from relayd.domain.seat import Seat
from relayd.services.pairs import Pairs
from relayd.store import Store
from relayproto import identity
from relayproto.codes import Code
from relayproto.commands import GetBundles, PutPrekeys
from relayproto.errors import CryptoFailure
from relayproto.replies import Bundles, PrekeysLeft

BUNDLES_BURST_MAX: Final = 16
"""Bundles of one account that another takes at once, with all of its devices: a first message to each, and again where
lists have changed meanwhile. Whoever wants somebody's 200 prekeys gone needs a dozen accounts."""
BUNDLES_PER_S: Final = 1 / 60
"""And one a minute on; a device deposits new ones as often as it connects."""


class Prekeys:
    """Depositing prekeys and handing them out. ``key``: 32 random bytes of this process."""

    __slots__ = ("_hub", "_pairs", "_store")

    def __init__(self, store: Store, hub: Hub, key: bytes) -> None:
        self._store = store
        self._hub = hub
        self._pairs = Pairs(key, per_s=BUNDLES_PER_S, burst=BUNDLES_BURST_MAX)

    async def put(self, seat: Seat, command: PutPrekeys) -> PrekeysLeft:
        """Keep the prekeys for the device that deposits them.

        Raises Refusal: BAD_SIGNATURE for one that the device did not sign, LIMIT where it has too many.
        """
        listed = await self._store.devices_of(seat.account, seat.account)
        entry = identity.decode(listed.devices, listed.signature).entry(seat.device)
        if entry is None:
            raise Refusal(Code.AUTHENTICATION)
        try:
            for prekey in command.prekeys:
                identity.verify_prekey(prekey, account=seat.account, device=seat.device, sign_key=entry.sign_key)
        except CryptoFailure:
            raise Refusal(Code.BAD_SIGNATURE) from None
        return await self._store.put_prekeys(seat, command.prekeys)

    async def bundles(self, seat: Seat, command: GetBundles, now: float) -> Bundles:
        """Hand out one bundle a device. Raises Refusal: RATE, NOT_AVAILABLE."""
        wait_ms = self._pairs.take(seat.account, [command.account], now)  # Before anything of the account is looked at.
        if wait_ms:
            raise Refusal(Code.RATE, wait_ms)
        taken = await self._store.bundles(seat, command)
        for mailbox, notice in taken.low:
            self._hub.say(mailbox, notice)
        return taken.reply
