"""Real text in three scripts between two people, through real processes, TCP and disks, at the default limits."""

import json

import pytest

from support import processes
from support.processes import a_relay, relay, succeed
from support.shared import shared_bytes

FILES = ("sms-en.txt", "sentences-mr.txt", "sentences-hi.txt")
WAIT_S = 150
OFFLINE = 2_500
"""What one sender may let wait in one mailbox at the default limits: half of its 5,000 envelopes."""


def lines():
    """Return the lines of all files, the first halves before the second ones, so that each part has every script."""
    first, second = [], []
    for name in FILES:
        found = shared_bytes(f"data/{name}").removesuffix(b"\n").split(b"\n")
        middle = len(found) // 2
        first += found[:middle]
        second += found[middle:]
    return first + second


@pytest.mark.slow
def test_real_text_comes_out_byte_for_byte_in_order_and_once(tmp_path):
    circular = shared_bytes("data/circular-mr.txt")
    expected = [circular, *lines()]
    (tmp_path / "circular.txt").write_bytes(circular)
    (tmp_path / "offline.txt").write_bytes(b"\n".join(expected[1:OFFLINE]) + b"\n")
    (tmp_path / "online.txt").write_bytes(b"\n".join(expected[OFFLINE:]) + b"\n")
    heard = tmp_path / "heard"

    with a_relay(tmp_path / "relay") as server:
        alice, bob = (server.join(tmp_path / name, f"{name}@office.example") for name in ("alice", "bob"))
        send = ("send", "bob@office.example", "--timeout", WAIT_S)
        succeed(relay(alice, *send, "--file", tmp_path / "circular.txt"))
        succeed(relay(alice, *send, "--lines", "--file", tmp_path / "offline.txt", timeout_s=WAIT_S + 30))
        listen = processes.command("relayclient.cli.main", "--home", bob, "listen", "--json")
        with processes.running(listen, tmp_path, out=heard, err=tmp_path / "listen.log"):
            online_too = (*send, "--wait", "delivered", "--lines", "--file", tmp_path / "online.txt")
            succeed(relay(alice, *online_too, timeout_s=WAIT_S + 30))
            processes.until(lambda: heard.read_bytes().count(b"\n") == len(expected), 10)
        drained = succeed(relay(bob, "listen", "--json", "--drain"))
        messages = [json.loads(line) for line in heard.read_bytes().removesuffix(b"\n").split(b"\n")]
        raw = succeed(relay(bob, "inbox", messages[0]["message"], "--raw"))
        status = succeed(relay(alice, "status", "--json", "--limit", len(expected) + 1))

    assert [message["text"].encode() for message in messages] == expected
    assert {message["address"] for message in messages} == {"alice@office.example"}
    assert [message["number"] for message in messages] == list(range(1, len(expected) + 1))
    assert len({message["message"] for message in messages}) == len(expected)
    assert drained.out == b""
    assert raw.out == circular
    states = [json.loads(line)["state"] for line in status.out.decode().splitlines()]
    assert states == ["delivered"] * len(expected)
