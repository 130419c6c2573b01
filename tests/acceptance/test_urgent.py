"""An urgent code does not wait behind what people have written, however much that is."""

import time
from pathlib import Path

import pytest

from relayproto.codes import Class, Code, Lane
from relayproto.commands import Credit
from relayproto.notices import Deliver
from relayproto.replies import Submitted
from support.device import ack, submit
from support.processes import a_relay
from support.visitors import submit_many, visitors

QUEUED = 5_000
WINDOW = 64
"""Envelopes that the device grants at a time, as ours does."""
OCTETS = 1 << 30
SETTINGS = {
    "mailbox_messages = 5000": "mailbox_messages = 12000",
    "device_rate_per_s = 200": "device_rate_per_s = 100000",
    "device_burst = 1000": "device_burst = 100000",
    "pair_rate_per_s = 50": "pair_rate_per_s = 100000",
    "pair_burst = 500": "pair_burst = 100000",
}
"""So that one sender's share and rate allow so much at once."""


class Reader:
    """Takes what comes, acknowledges each half window, and remembers the lanes in their order."""

    def __init__(self, line, epoch: int) -> None:
        self._line = line
        self._epoch = epoch
        self._floors = [0, 0, 0]
        self.lanes: list[Lane] = []

    async def read(self) -> Deliver:
        came = await self._line.expect(Deliver)
        self._floors[came.lane] = came.sequence
        self.lanes.append(came.lane)
        if not len(self.lanes) % (WINDOW // 2):
            credit = Credit(len(self.lanes) + WINDOW, OCTETS)
            self._line.say(*[ack(self._epoch, self._floors[lane], lane=lane, credit=credit) for lane in (0, 1)])
        return came

    async def read_until_urgent(self) -> float:
        """Return when an envelope of the urgent lane has come."""
        while (await self.read()).lane is not Lane.URGENT:
            pass
        return time.monotonic()


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_an_urgent_code_overtakes_5000_queued_chats_within_the_second(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay", settings=SETTINGS) as relay:
        async with visitors(relay, "alice", "bank", "bob") as (alice, bank, bob):
            chats, _ = await alice.login()
            await submit_many(chats, bob, QUEUED)
            codes, _ = await bank.login()
            codes.say(submit(1, bob.person, class_=Class.OTP))
            assert (await codes.expect(Submitted)).codes == (Code.STORED,)

            connected = time.monotonic()
            line, welcome = await bob.login(Credit(WINDOW, OCTETS))
            reader = Reader(line, welcome.epoch)
            at_connect_s = await reader.read_until_urgent() - connected
            before_at_connect = len(reader.lanes) - 1
            for _ in range(10 * WINDOW):
                await reader.read()
            seen = len(reader.lanes)
            said = time.monotonic()
            codes.say(submit(2, bob.person, class_=Class.OTP))
            in_the_flow_s = await reader.read_until_urgent() - said
            overtaken_by = len(reader.lanes) - seen - 1
            while len(reader.lanes) < QUEUED + 2:
                await reader.read()

    assert before_at_connect == 0
    assert at_connect_s < 1
    assert in_the_flow_s < 1
    assert overtaken_by < QUEUED // 4
    assert reader.lanes.count(Lane.NORMAL) == QUEUED
