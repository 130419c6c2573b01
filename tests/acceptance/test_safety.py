"""Blocking, reporting and typing through the real relay."""

import asyncio
import contextlib
import json
import sqlite3
from pathlib import Path

from relayclient import relaykeys
from relayclient.client import Client
from relayclient.device import Device
from relayclient.events import Drained, MessageReceived, TypingSeen
from relayproto import stamp
from relayproto.e2e.report import open_report, verify
from relayproto.ids import Address
from relayproto.primitives import box_open
from support.processes import Ended, a_relay, command, relay, run, succeed

ALICE, BOB, MALLORY = (Address(f"{name}@office.example") for name in ("alice", "bob", "mallory"))


def test_who_is_blocked_sees_what_everybody_sees_of_an_address_that_is_not_there(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as running:
        bob, mallory = running.join(tmp_path / "bob", BOB), running.join(tmp_path / "mallory", MALLORY)
        succeed(relay(mallory, "send", BOB, "before"))
        succeed(relay(bob, "listen", "--drain", "--timeout", "20"))

        blocked = succeed(relay(bob, "block", MALLORY))
        known = relay(mallory, "send", BOB, "after", "--json")
        looked_up = relay(mallory, "lookup", BOB, "--json")
        nobody = relay(mallory, "lookup", "nobody@office.example", "--json")
        sent_to_nobody = relay(mallory, "send", "nobody@office.example", "after", "--json")
        succeed(relay(bob, "unblock", MALLORY))
        succeed(relay(mallory, "send", BOB, "sorry"))
        heard = succeed(relay(bob, "listen", "--drain", "--timeout", "20", "--json"))

    assert blocked.out == f"{MALLORY} is blocked.\n".encode()
    assert answer(known, BOB) == answer(sent_to_nobody, "nobody@office.example")
    assert answer(looked_up, BOB) == answer(nobody, "nobody@office.example")
    assert [json.loads(line)["text"] for line in heard.out.splitlines()] == ["sorry"]


def answer(ended: Ended, address: str) -> tuple[int, list[dict[str, object]]]:
    """Return all that somebody was told, but for the address that they asked for and their own message's id."""
    said = [json.loads(line) for line in (ended.out + ended.err).decode().replace(address, "X").splitlines()]
    return ended.status, [{key: value for key, value in each.items() if key != "message"} for each in said]


def test_a_report_comes_to_both_moderators_and_names_the_author(tmp_path: Path) -> None:
    keys = [tmp_path / name for name in ("first", "second")]
    public = tuple(moderator_key(path) for path in keys)
    first, second = (path.read_bytes() for path in keys)
    with a_relay(tmp_path / "relay", moderators=public) as running:
        bob, mallory = running.join(tmp_path / "bob", BOB), running.join(tmp_path / "mallory", MALLORY)
        succeed(relay(mallory, "send", BOB, "a threat"))
        succeed(relay(bob, "listen", "--drain", "--timeout", "20"))
        [message] = [json.loads(line) for line in succeed(relay(bob, "inbox", "--json")).out.splitlines()]

        handed_in = succeed(relay(bob, "report", message["message"], "--yes", "--json"))
        running.stop()
        with contextlib.closing(sqlite3.connect(running.state / "relay.db")) as store:
            [(sealed,)] = store.execute("SELECT sealed FROM report").fetchall()
            hour_keys = dict(store.execute("SELECT key_id, sealed FROM hour_key").fetchall())
        with Device.open(bob) as device, device._store.step() as step:
            descriptors = relaykeys.known(step)

    evidence = open_report(sealed, first, second)
    hour_key = box_open(second, box_open(first, hour_keys[stamp.key_id(evidence.stamp)]))
    author = verify(evidence, descriptors, hour_key)
    assert json.loads(handed_in.out) == {"message": message["message"], "handed_in": True, "code": None}
    assert b"a threat" in evidence.content
    assert author.account.hex() == message["sender"]


def moderator_key(path: Path) -> str:
    """Make a moderator's key and return its public half."""
    return succeed(run(command("relayd.main", "moderator-key", path), path.parent)).out.decode().strip()


def test_who_is_there_sees_that_somebody_types(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as running:
        homes = {name: running.join(tmp_path / name.split("@")[0], name) for name in (ALICE, BOB)}
        succeed(relay(homes[ALICE], "send", BOB, "hello"))
        succeed(relay(homes[BOB], "listen", "--drain", "--timeout", "20"))
        succeed(relay(homes[BOB], "send", ALICE, "hello to you"))
        seen = asyncio.run(asyncio.wait_for(typing(homes), 30))

    assert [(event.address, event.device) for event in seen] == [(ALICE, 1)]


async def typing(homes: dict[Address, Path]) -> list[TypingSeen]:
    with Device.open(homes[ALICE]) as alice, Device.open(homes[BOB]) as bob:
        async with Client(alice, homes[ALICE]) as at_alice, Client(bob, homes[BOB]) as at_bob:
            await first(at_bob, Drained)
            await first(at_alice, MessageReceived)
            at_alice.typing(BOB)
            at_alice.typing(BOB)
            return [await first(at_bob, TypingSeen)]


async def first(client: Client, kind: type):
    async for event in client.events():
        if isinstance(event, kind):
            return event
    raise AssertionError("the client ended")
