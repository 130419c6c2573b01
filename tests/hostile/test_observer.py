"""What is to be learned from the wire, from the relay's disk, its logs, its figures and its memory.

One conversation through a real relay is watched by everybody whom spec 10 and 20 and the threat model name: on the
wire a proxy that writes every byte down, at the relay somebody with root's rights. Each search is first shown to find
something that is there.
"""

import base64
import contextlib
import os
import re
import shutil
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from relayclient.device import Device
from relayd.domain.lifetimes import day
from relayd.store.daykeys import DayKeys, KeyGone
from relayd.store.vault import Nonces, Vault
from relayproto.errors import CryptoFailure
from support.processes import a_relay, free_ports, relay, succeed
from support.recording import Recorded, recording

CANARY = "kestrel-5127-नीलकंठ-vermilion"
ADDRESSES = ("alice.kestrel@office.example", "bob.kestrel@office.example")
ALICE, BOB = ADDRESSES
SOURCE = "127.83.71.67"
RECORD_LENGTHS = {272, 1_040, 4_112, 16_400}
DEVICE, ENROL = 1, 2
OUTCOME_LANE = 2
MAPPED = {("account", "address")}
"""The columns that may hold an address."""


@dataclass
class Watched:
    """What was seen: the wire, copies of the relay's files at three moments, its figures, its memory."""

    place: Path
    state: Path
    log: bytes = b""
    wire: list[Recorded] = field(default_factory=list)
    shown: bytes = b""
    files: dict[str, bytes] = field(default_factory=dict)
    metrics: list[bytes] = field(default_factory=list)
    memory: list[bytes] | None = None
    accounts: tuple[bytes, ...] = ()

    def look(self, moment: str, server) -> None:
        for path in (each for each in self.state.rglob("*") if each.is_file()):
            self.files[f"{moment}: {path.relative_to(self.state)}"] = path.read_bytes()
        self.metrics.append(server.page("/metrics")[1])

    @property
    def everything(self) -> dict[str, bytes]:
        """Return name -> bytes of all that the relay wrote or told."""
        told = {f"metrics {number}": page for number, page in enumerate(self.metrics)}
        return {**self.files, **told, "log": self.log}


def memory_of(pid: int) -> list[bytes] | None:
    """Return the writable memory of a process, region by region; None where we may not read it."""
    regions = []
    try:
        maps = Path(f"/proc/{pid}/maps").read_text("ascii").splitlines()
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            for line in maps:
                first, last, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
                if not rights.startswith("rw") or line.endswith(("[vvar]", "[vsyscall]")):
                    continue
                start, octets = int(first, 16), b""
                with contextlib.suppress(OSError):
                    memory.seek(start)
                    while part := memory.read(int(last, 16) - start - len(octets)):
                        octets += part
                regions.append(octets)
    except PermissionError:
        return None
    return regions


@pytest.fixture(scope="module")
def watched(tmp_path_factory) -> Watched:
    place = tmp_path_factory.mktemp("observer")
    [port] = free_ports(1)
    seen = Watched(place, place / "relay")
    with a_relay(seen.state, endpoint_port=port) as server:
        with recording(port, server.devices, SOURCE) as proxy:
            alice, bob = server.join(place / "alice", ALICE), server.join(place / "bob", BOB)
            succeed(relay(bob, "send", ALICE, CANARY))
            succeed(relay(alice, "listen", "--drain"))
            succeed(relay(alice, "send", BOB, CANARY))
            seen.look("queued", server)
            with (
                contextlib.closing(sqlite3.connect(seen.state / "relay.db")) as store,
                contextlib.closing(sqlite3.connect(place / "copied.db")) as copy,
            ):
                store.backup(copy)
            shutil.copy(seen.state / "day-keys", place / "day-keys")
            seen.shown = succeed(relay(bob, "listen", "--drain", "--json")).out
            seen.look("delivered", server)
            seen.memory = memory_of(server.pid)
        server.stop()
        seen.wire = proxy.connections
        seen.log = server.log.read_bytes()
    for path in (each for each in seen.state.rglob("*") if each.is_file()):
        seen.files[f"stopped: {path.relative_to(seen.state)}"] = path.read_bytes()
    for home in (alice, bob):
        with Device.open(home) as device:
            seen.accounts += (device.identity.account,)
    return seen


# --- the wire -----------------------------------------------------------------------------------


class Bytes:
    """Bytes that are taken from the front; taking more than there are fails."""

    def __init__(self, octets: bytes) -> None:
        self.left = octets

    def take(self, count: int) -> bytes:
        taken, self.left = self.left[:count], self.left[count:]
        assert len(taken) == count, "the recording ends within something"
        return taken

    def prefixed(self) -> bytes:
        return self.take(int.from_bytes(self.take(2), "big"))

    def records(self) -> list[bytes]:
        found = []
        while self.left:
            found.append(self.prefixed())
        return found


def parsed(recorded: Recorded) -> tuple[int, list[bytes], list[bytes]]:
    """Return purpose, handshake messages and records of a connection, by spec 20 §1, §4 and 10 §1 alone."""
    said, heard = Bytes(bytes(recorded.said)), Bytes(bytes(recorded.heard))
    preface = said.take(12)
    assert preface[:6] == b"RLY1\x01\x01"
    assert preface[7] == 0
    assert preface[8:] == (1).to_bytes(4, "big")
    purpose = preface[6]
    assert purpose in {DEVICE, ENROL}
    handshake = [said.prefixed(), heard.prefixed()]
    if purpose == DEVICE:
        handshake.append(said.prefixed())
    return purpose, handshake, said.records() + heard.records()


@pytest.mark.slow
def test_the_wire_shows_prefaces_handshakes_and_records_of_four_lengths_and_nothing_else(watched):
    connections = [parsed(recorded) for recorded in watched.wire]

    assert [purpose for purpose, _, _ in connections] == [ENROL, ENROL, DEVICE, DEVICE, DEVICE, DEVICE]
    for purpose, handshake, records in connections:
        assert [len(message) for message in handshake] == [1_248, 1_152, 320][: 2 + (purpose == DEVICE)]
        assert len(records) >= 2
        assert {len(record) for record in records} <= RECORD_LENGTHS


@pytest.mark.slow
def test_no_block_of_ciphertext_comes_twice(watched):
    pieces = [piece for recorded in watched.wire for part in parsed(recorded)[1:] for piece in part]

    blocks = [piece[at : at + 16] for piece in pieces for at in range(0, len(piece) - 15, 16)]

    assert len(blocks) > 1_000
    assert len(set(blocks)) == len(blocks)


@pytest.mark.slow
def test_the_wire_names_nobody_and_says_nothing(watched):
    wire = {str(number): bytes(each.said + each.heard) for number, each in enumerate(watched.wire)}

    assert found(forms(CANARY), wire) == []
    assert found([*forms(ALICE), *forms(BOB), *watched.accounts], wire) == []


# --- what was said ------------------------------------------------------------------------------


def forms(text: str) -> list[bytes]:
    """Return the text in UTF-8, in UTF-16 both ways, and in base64 at each of its three alignments."""
    octets = text.encode()
    coded = []
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + octets)
        coded.append(whole[4 if shift else 0 : len(whole) // 4 * 4 - 4])
    return [octets, text.encode("utf-16-le"), text.encode("utf-16-be"), *coded]


def found(needles: list[bytes], places: dict[str, bytes]) -> list[tuple[str, bytes]]:
    return [(name, needle) for name, octets in places.items() for needle in needles if needle in octets]


@pytest.mark.parametrize("before", ["", "a", "ab"])
def test_the_search_finds_each_form(before):
    haystacks = {
        "utf-8": f"{before}{CANARY}!".encode(),
        "utf-16-le": f"{before}{CANARY}!".encode("utf-16-le"),
        "utf-16-be": f"{before}{CANARY}!".encode("utf-16-be"),
        "base64": base64.b64encode(f"{before}{CANARY}!".encode()),
    }

    assert {name for name, _ in found(forms(CANARY), haystacks)} == set(haystacks)


@pytest.mark.slow
def test_what_was_said_is_in_no_file_log_or_figure_of_the_relays(watched):
    names = {name.partition(": ")[2] for name in watched.files}

    assert {"relay.db", "relay.db-wal", "relay.db-shm", "day-keys"} <= names
    assert CANARY.encode() in watched.shown
    assert found(forms(CANARY), watched.everything) == []


@pytest.mark.slow
def test_what_was_said_is_not_in_the_relays_memory(watched):
    if watched.memory is None:
        pytest.skip("reading another process's memory takes root's rights")
    memory = {str(number): octets for number, octets in enumerate(watched.memory)}
    relay_key = (watched.state / "keys" / "relay-1.key").read_bytes()

    assert found([relay_key], memory) != []
    assert found(forms(CANARY), memory) == []


# --- who it was ---------------------------------------------------------------------------------


def columns_with(path: Path, needles: list[bytes]) -> set[tuple[str, str]]:
    """Return (table, column) of every value that holds one of the needles."""
    holding = set()
    with contextlib.closing(sqlite3.connect(path)) as store:
        tables = [name for (name,) in store.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in tables:
            rows = store.execute(f'SELECT * FROM "{table}"')
            names = [described[0] for described in rows.description]
            for row in rows:
                for name, value in zip(names, row, strict=True):
                    octets = value.encode() if isinstance(value, str) else value
                    if isinstance(octets, bytes) and any(needle in octets for needle in needles):
                        holding.add((table, name))
    return holding


@pytest.mark.slow
def test_an_address_stands_in_its_one_column_and_nowhere_else(watched):
    needles = [form for address in ADDRESSES for form in forms(address)]
    told = {"log": watched.log, **{f"metrics {number}": page for number, page in enumerate(watched.metrics)}}

    assert columns_with(watched.place / "copied.db", needles) == MAPPED
    assert columns_with(watched.state / "relay.db", needles) == MAPPED
    assert found(needles, told) == []


@pytest.mark.slow
def test_the_address_of_a_machine_is_nowhere(watched):
    packed = bytes(map(int, SOURCE.split(".")))

    assert found([*forms(SOURCE), packed, packed[::-1]], watched.everything) == []


@pytest.mark.slow
def test_no_account_is_in_the_log_or_the_figures(watched):
    told = {"log": watched.log, **{f"metrics {number}": page for number, page in enumerate(watched.metrics)}}
    needles = [form for account in watched.accounts for form in (account, account.hex().encode())]

    assert b"relayd_" in watched.metrics[0]
    assert b"listening" in watched.log or b"ready" in watched.log
    assert found(needles, told) == []


# --- a stolen copy ------------------------------------------------------------------------------


def opens(vault: Vault, row: tuple) -> bool:
    lane, sequence, expires_ms, sealed = row
    open_row = vault.open_outcome if lane % 4 == OUTCOME_LANE else vault.open_envelope
    try:
        open_row(lane, sequence, expires_ms, sealed)
    except (KeyGone, CryptoFailure):
        return False
    return True


@pytest.mark.slow
def test_a_copy_of_the_database_opens_nothing_of_a_day_whose_key_is_deleted(watched, tmp_path):
    shutil.copy(watched.place / "day-keys", tmp_path / "day-keys")
    master_key = (watched.state / "keys" / "master.key").read_bytes()
    with contextlib.closing(sqlite3.connect(watched.place / "copied.db")) as copy:
        rows = copy.execute("SELECT lane, sequence, expires_ms, sealed FROM envelope").fetchall()
    gone = max(day(expires_ms) for _, _, expires_ms, _ in rows)
    before = Vault(DayKeys(tmp_path, master_key, os.urandom), Nonces(os.urandom))

    with_all = [opens(before, row) for row in rows]
    DayKeys(tmp_path, master_key, os.urandom).forget([gone])
    kept = DayKeys(tmp_path, master_key, os.urandom)
    after = Vault(kept, Nonces(os.urandom))

    assert len({day(expires_ms) for _, _, expires_ms, _ in rows}) == 2
    assert with_all == [True] * len(rows)
    assert [opens(after, row) for row in rows] == [day(row[2]) != gone for row in rows]
    for lane, _, expires_ms, sealed in rows:
        if day(expires_ms) == gone:
            for other in kept.days:
                with pytest.raises(CryptoFailure):
                    kept.cipher(other).open(sealed[:12], sealed[12:], lane.to_bytes(8, "big") + (1).to_bytes(8, "big"))
