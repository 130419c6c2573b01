import asyncio

import pytest

from relayd.domain.refusals import Fault
from relayd.metrics import Counters
from relayd.services import witness
from relayd.services.outside import Outside
from relayd.services.witness import Witness
from relayproto.administration_replies import Checkpoint
from relayproto.codes import Code


class Log:
    def __init__(self, waiting: int = 0) -> None:
        self.waiting = [Checkpoint(n, bytes([n]) * 32, 1_000 + n, 1, bytes(64)) for n in range(1, waiting + 1)]
        self.signed: list[tuple[bytes, int]] = []
        self.failing = False

    async def check_in(self, relay: bytes, key_id: int) -> bool:
        if self.failing:
            raise Fault(Code.DISK, 1_000)
        self.signed.append((relay, key_id))
        return True

    async def to_carry(self, maximum: int) -> list[Checkpoint]:
        return self.waiting[:maximum]

    async def carried(self, records: int) -> None:
        self.waiting = [one for one in self.waiting if one.records != records]


class Carrier:
    def __init__(self, refuses: int = 0) -> None:
        self.heard: list[dict] = []
        self.refuses = refuses

    async def ask(self, question: dict) -> dict:
        self.heard.append(question)
        if question["records"] == self.refuses:
            return {"error": "full"}
        return {"carried": question["records"]}


def made(log: Log, carrier: Carrier | None) -> tuple[Witness, Counters]:
    counters = Counters()
    return Witness(log, carrier, counters, relay=b"r" * 32, key_id=7), counters


async def test_what_was_signed_is_carried_outside_the_oldest_first() -> None:
    log, carrier = Log(waiting=3), Carrier()
    one, counters = made(log, carrier)

    assert await one.turn()

    assert log.signed == [(b"r" * 32, 7)]
    assert [question["records"] for question in carrier.heard] == [1, 2, 3]
    assert carrier.heard[0] == {
        "relay": "72" * 32, "records": 1, "head": "01" * 32, "at_ms": 1_001, "key_id": 1, "signature": "00" * 64,
    }  # fmt: skip
    assert (log.waiting, counters.checkpoints_waiting) == ([], 0)


async def test_what_is_refused_waits_with_all_behind_it() -> None:
    log, carrier = Log(waiting=3), Carrier(refuses=2)
    one, counters = made(log, carrier)

    assert not await one.turn()

    assert [one.records for one in log.waiting] == [2, 3]
    assert counters.checkpoints_waiting == 2
    carrier.refuses = 0
    assert await one.turn()
    assert counters.checkpoints_waiting == 0


async def test_without_a_carrier_it_signs_and_nothing_waits() -> None:
    log = Log(waiting=2)
    one, counters = made(log, None)

    assert await one.turn()
    assert (len(log.signed), counters.checkpoints_waiting) == (1, 0)


async def test_a_long_backlog_is_carried_in_parts(monkeypatch) -> None:
    monkeypatch.setattr(witness, "TOGETHER_MAX", 2)
    log = Log(waiting=3)
    one, _ = made(log, Carrier())

    assert [await one.turn(), await one.turn()] == [False, True]


async def test_a_store_or_a_carrier_that_is_away_is_tried_again_soon() -> None:
    log = Log(waiting=1)
    log.failing = True
    one, _ = made(log, Carrier())
    running = asyncio.create_task(one.run(every_s=60, retry_s=0.01))
    await asyncio.sleep(0.05)
    log.failing = False
    for _ in range(500):
        if not log.waiting:
            break
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert log.waiting == []


def nested(levels: int) -> list:
    made: list = []
    for _ in range(levels):
        made = [made]
    return made


@pytest.mark.parametrize(
    "said",
    [
        {}, {"carried": None}, {"carried": "1"}, {"carried": nested(50_000)}, {"error": nested(50_000)},
        {"error": {"why": ["full"]}}, {"error": "x" * 60_000}, {"error": "\x1b[2J\n"},
    ],
    ids=range(8),
)  # fmt: skip
async def test_whatever_a_carrier_says_the_checkpoint_waits_and_the_relay_goes_on(said) -> None:
    class Odd:
        async def ask(self, question: dict) -> dict:
            return said

    log = Log(waiting=1)
    counters = Counters()

    assert not await Witness(log, Odd(), counters, relay=b"r" * 32, key_id=7).turn()
    assert (len(log.waiting), counters.checkpoints_waiting) == (1, 1)


async def test_an_answer_nested_too_deep_is_a_carrier_that_is_away(tmp_path) -> None:
    async def session(reader, writer) -> None:
        await reader.readline()
        writer.write(b'{"carried":' + b"[" * 30_000 + b"]" * 30_000 + b"}\n")
        await writer.drain()
        writer.close()

    log = Log(waiting=1)
    async with await asyncio.start_unix_server(session, path=tmp_path / "carrier"):
        one = Witness(log, Outside(tmp_path / "carrier"), Counters(), relay=b"r" * 32, key_id=7)
        assert not await one.turn()
    assert len(log.waiting) == 1
