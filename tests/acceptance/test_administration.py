"""Officers' own program against a relay that runs as a process of its own (issue 5): what is done once, what is found.

The story of a department is tests/demo/office.py; here is what goes wrong on the way.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relayclient.client import Client
from relayclient.device import Device
from relayclient.errors import ActUnclear, NoRight
from relayclient.events import Connected
from relayproto.administration import GetAudit, GetProposals, GrantRole
from relayproto.administration_replies import Audit, Proposals
from relayproto.ids import AccountId
from relayproto.standing import PLATFORM, ActState, ProposalState, Role
from support.devices import seen
from support.processes import RelayProcess, a_relay, free_ports, relay, relayd, succeed

YEAR_MS = 365 * 86_400_000
PEOPLE = ("alice", "bob", "carol")


class Wire:
    """What lies between a device and its relay. Once ``armed`` it passes on what the device says, and no answer."""

    def __init__(self) -> None:
        self.armed = False
        self.cuts = 0

    async def between(self, port: int, relay_port: int) -> asyncio.Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                there = await asyncio.open_connection("127.0.0.1", relay_port)
                ways = [self._pass(reader, there[1], answers=False), self._pass(there[0], writer, answers=True)]
                await asyncio.wait([asyncio.ensure_future(way) for way in ways], return_when=asyncio.FIRST_COMPLETED)
                there[1].transport.abort()
            writer.transport.abort()

        return await asyncio.start_server(serve, "127.0.0.1", port)

    async def _pass(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while octets := await source.read(1 << 16):
                if answers and self.armed:
                    self.armed = False
                    self.cuts += 1
                    return
                to.write(octets)
                await to.drain()


def operators(made: RelayProcess, place: Path) -> None:
    """Enrol three people; two of them are platform operators."""
    for name in PEOPLE:
        made.join(place / name, f"{name}@relay.example")
    for name in PEOPLE[:2]:
        succeed(relayd(made.state, "break-glass", f"{name}@relay.example", "--for", "1h", "--reason", "x", "--yes"))


@contextlib.asynccontextmanager
async def officer(home: Path) -> AsyncIterator[Client]:
    with Device.open(home) as device:
        async with Client(device, home) as client:
            await seen(client, Connected)
            yield client


def account(home: Path) -> AccountId:
    with Device.open(home) as device:
        return device.identity.account


async def proposals(client: Client) -> list[ProposalState]:
    page = await client.answer(GetProposals(PLATFORM, 0, 100))
    assert isinstance(page, Proposals)
    return [proposal.state for proposal in page.proposals]


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_an_act_whose_answer_was_lost_is_done_once_and_told_as_unclear(tmp_path: Path) -> None:
    wire, (port,) = Wire(), free_ports(1)
    with a_relay(tmp_path / "relay", endpoint_port=port) as made:
        async with await wire.between(port, made.devices):
            await asyncio.to_thread(operators, made, tmp_path)
            async with officer(tmp_path / "alice") as alice:
                granted = GrantRole(PLATFORM, account(tmp_path / "carol"), Role.AUDITOR, alice.now_ms() + YEAR_MS)
                assert await alice.settle(30)  # what a device asks by itself has its answer: the next is the act's
                wire.armed = True
                with pytest.raises(ActUnclear):
                    await alice.act(granted, reason="inspection")

                assert wire.cuts == 1
                assert await proposals(alice) == [ProposalState.WAITING]
                rehearsed = await alice.act(granted, rehearsal=True)
                assert rehearsed.state is ActState.REHEARSED
                assert len(await proposals(alice)) == 1


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_two_devices_of_one_account_act_in_turn(tmp_path: Path) -> None:
    """Numbers of acts are the account's: a device goes on above what another has used since it connected."""
    with a_relay(tmp_path / "relay") as made:
        await asyncio.to_thread(operators, made, tmp_path)
        new = json.loads(succeed(relay(tmp_path / "second", "link", "new", "--json")).out)
        compared = ("--yes", "--json", "--digits")
        added = relay(tmp_path / "alice", "link", "add", *compared, new["digits"], stdin=new["code"].encode())
        said = json.loads(succeed(added).out)
        finished = ("link", "finish", *compared, said["digits"])
        succeed(relay(tmp_path / "second", *finished, stdin=said["answer"].encode()))
        carol = account(tmp_path / "carol")

        states = []
        for home in ("alice", "second", "alice", "second"):
            async with officer(tmp_path / home) as client:
                granted = GrantRole(PLATFORM, carol, Role.AUDITOR, client.now_ms() + YEAR_MS)
                states.append((await client.act(granted)).state)

    assert states == [ActState.PROPOSED] * 4


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_what_is_denied_changes_nothing_and_is_in_the_log_with_its_reason(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as made:
        await asyncio.to_thread(operators, made, tmp_path)
        async with officer(tmp_path / "carol") as carol:
            to_himself = GrantRole(
                PLATFORM, account(tmp_path / "carol"), Role.PLATFORM_OPERATOR, carol.now_ms() + YEAR_MS
            )
            with pytest.raises(NoRight):
                await carol.act(to_himself, reason="because I want to")
            with pytest.raises(NoRight):
                await carol.answer(GetAudit(PLATFORM, 0, 100))
        await asyncio.to_thread(an_auditor, tmp_path)
        async with officer(tmp_path / "carol") as carol:
            pages = [page async for page in carol.pages(GetAudit(PLATFORM, 0, 2))]

        found = succeed(relay(tmp_path / "carol", "audit", "search", "--outcome", "denied", "--json")).out.splitlines()

    assert len(pages) > 1
    assert all(isinstance(page, Audit) for page in pages)
    said = [json.loads(line) for line in found]
    assert [(line["verb"], line["code"], line["reason"]) for line in said] == [
        ("grant-role", "NOT_PERMITTED", "because I want to"), ("get-audit", "NOT_PERMITTED", ""),
    ]  # fmt: skip
    assert {line["address"] for line in said} == {"carol@relay.example"}


def an_auditor(place: Path) -> None:
    """Make carol the platform's auditor: alice proposes, bob approves."""
    proposed = succeed(relay(place / "alice", "role", "grant", "0", "carol@relay.example", "auditor"))
    number = re.findall(r"Proposal (\d+)", proposed.out.decode())[0]
    succeed(relay(place / "bob", "proposal", "approve", number, "--yes"))


def edited(lines: list[str]) -> list[str]:
    """Change a reason in a record and in its words alike."""
    at = next(at for at, line in enumerate(lines) if "inspect the depot" in line)
    old, new = "inspect the depot", "inspect the beach"
    return [*lines[:at], lines[at].replace(old.encode().hex(), new.encode().hex()).replace(old, new), *lines[at + 1 :]]


def records(lines: list[str]) -> list[int]:
    return [at for at, line in enumerate(lines) if line.startswith('{"number"')]


def without_one(lines: list[str]) -> list[str]:
    at = records(lines)[1]
    return [*lines[:at], *lines[at + 1 :]]


def swapped(lines: list[str]) -> list[str]:
    at = records(lines)[1]
    return [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]


def cut_short(lines: list[str]) -> list[str]:
    return lines[: records(lines)[-1]]


def ended_early(lines: list[str]) -> list[str]:
    """Drop the last record, and say so in the last line."""
    end = json.loads(lines[-1])
    return [*lines[: records(lines)[-1]], json.dumps({**end, "end": end["end"] - 1}) + "\n"]


HARMS = {
    edited: "checkpoint says otherwise", without_one: "missing or out of order", swapped: "missing or out of order",
    cut_short: "cut off here", ended_early: "the end of the file is for other records",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_harm_to_an_export_of_a_real_log_is_found(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as made:
        operators(made, tmp_path)
        granted = ("role", "grant", "0", "carol@relay.example", "statistics-viewer", "--reason", "inspect the depot")
        succeed(relay(tmp_path / "alice", *granted))
        an_auditor(tmp_path)
        made.stop()
        made.start()
        log = tmp_path / "log.jsonl"
        succeed(relay(tmp_path / "carol", "audit", "export", "--signed", log))
    lines = log.read_text("utf-8").splitlines(keepends=True)

    [whole] = [json.loads(succeed(relay(tmp_path / "carol", "audit", "verify", log, "--json")).out)]
    assert whole["outside"] == whole["signed"] == whole["last"] == whole["shown"]
    assert whole["whole"] is True
    for harm, reason in HARMS.items():
        log.write_text("".join(harm(lines)), "utf-8")
        ended = relay(tmp_path / "carol", "audit", "verify", log)
        assert ended.status == 65, harm
        assert reason in ended.err.decode(), harm
        assert re.search(r"record \d+: ", ended.err.decode()), harm
